using System.Diagnostics;
using System.IO.MemoryMappedFiles;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Conclave.Kernels;
using Conclave.Testing;

namespace Conclave.EndToEnd.Tests;

/// <summary>conclave bench: that it counts what the operators do. How fast they are is for people to read.</summary>
public sealed class BenchTests
{
    [Fact]
    public void Decoding_reads_every_weight_of_the_chosen_experts_once()
    {
        CliResult result = Cli.Run("bench", "model", Repository.Fable, "--prefill", "32", "--decode", "64", "--steps", "2", "--repeat", "1", "--json");
        Assert.Equal(0, result.Code);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        JsonElement[] workloads = [.. document.RootElement.GetProperty("workloads").EnumerateArray()];
        Assert.Equal(["prefill", "decode"], workloads.Select(workload => workload.GetProperty("phase").GetString()));
        JsonElement operators = workloads[1].GetProperty("operators");

        // Two steps of one token: in each MoE layer one call of the routed experts, which reads k experts of three FP8 matrices [I, H] with their block scales.
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Fable, "config.json")));
        int Config(string name) => config.RootElement.GetProperty(name).GetInt32();
        long elements = 3L * Config("moe_intermediate_size") * Config("hidden_size");
        int moeLayers = Config("num_hidden_layers") - Config("first_k_dense_replace");
        JsonElement routed = operators.GetProperty("experts, routed");
        Assert.Equal(2 * moeLayers, routed.GetProperty("calls").GetInt32());
        Assert.Equal(2.0 * 2 * moeLayers * Config("num_experts_per_tok") * elements, routed.GetProperty("flops").GetDouble());
        double bytes = routed.GetProperty("bytes").GetDouble() / (2.0 * moeLayers * Config("num_experts_per_tok"));
        Assert.InRange(bytes, elements, elements * 1.01);

        foreach (JsonElement workload in workloads)
        {
            Assert.True(workload.GetProperty("tokens_per_second").GetDouble() > 0);
            Assert.True(workload.GetProperty("limit_bytes_per_second").GetDouble() > 0);
            Assert.Equal(1, workload.GetProperty("roofline_shares").GetArrayLength());
        }
    }

    [Fact]
    public void Kernels_of_every_format_are_timed()
    {
        CliResult result = Cli.Run("bench", "kernels", "--filter", "experts/", "--repeat", "1", "--json");
        Assert.Equal(0, result.Code);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        JsonElement[] kernels = [.. document.RootElement.GetProperty("kernels").EnumerateArray()];
        Assert.Equal(["F8_E4M3", "BF16", "F16", "F32"], kernels.Select(kernel => kernel.GetProperty("format").GetString()).Distinct());
        Assert.All(kernels, kernel => Assert.True(kernel.GetProperty("times_reference").GetDouble() > 0));
    }

    [Theory]
    [InlineData("matmul", "F8_E4M3 [3072, 2048] × 2")]
    [InlineData("experts", "F32 [1408, 2048] × 1")]
    [InlineData("prepare", "F8_E4M3 fable × 2")]
    [InlineData("attention absorbed", "BF16 V2-Lite at 1024 × 1")]
    [InlineData("attention expanded", "BF16 V2-Lite at 512 × 512")]
    [InlineData("norm", "F32 [7168] × 512")]
    [InlineData("add", "F32 [7168] × 512")]
    [InlineData("rotary", "F32 V3 × 512")]
    [InlineData("decode", "BF16 [7168] × 512")]
    public void Every_operator_is_timed_on_every_instruction_set(string name, string shape)
    {
        CliResult result = Cli.Run("bench", "kernels", "--filter", $"{name}/{shape}", "--isa", "all", "--repeat", "1", "--json");
        Assert.Equal((0, ""), (result.Code, result.Error));
        using JsonDocument document = JsonDocument.Parse(result.Output);
        JsonElement[] kernels = [.. document.RootElement.GetProperty("kernels").EnumerateArray()];
        Assert.Equal(KernelSet.Supported.ToArray().Select(set => set.Name), kernels.Select(kernel => kernel.GetProperty("isa").GetString()));
        Assert.All(kernels, kernel =>
        {
            Assert.Equal(name, kernel.GetProperty("operator").GetString());
            Assert.True(kernel.GetProperty("roofline_share").GetDouble() > 0);
            Assert.True(kernel.GetProperty("times_reference").GetDouble() > 0);

            // What fusing gains is shown against the parts, timed in turn with it.
            Assert.Equal(name == "prepare", kernel.TryGetProperty("sequential_seconds", out JsonElement parts) && parts.GetDouble() > 0);
        });
    }

    [Theory]
    [InlineData("all")]
    [InlineData("ALL")]
    public void The_variable_asks_for_every_instruction_set_as_the_option_does(string all)
    {
        CliResult result = Cli.Run(["bench", "kernels", "--filter", "norm/F32 [2048] × 1", "--repeat", "1", "--json"], environment: [("CONCLAVE_ISA", all)]);
        Assert.Equal((0, ""), (result.Code, result.Error));
        Assert.Equal(
            KernelSet.Supported.ToArray().Select(set => set.Name),
            JsonNode.Parse(result.Output)!["kernels"]!.AsArray().Select(kernel => kernel!["isa"]!.GetValue<string>()).Distinct());
    }

    [Fact]
    public void A_filter_that_leaves_nothing_names_what_is_there()
    {
        CliResult result = Cli.Run("bench", "kernels", "--filter", "nosuch", "--json");
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith("error: --filter nosuch: ", result.Error);
        Assert.Matches("there are matmul/F8_E4M3, experts/F8_E4M3, .*prepare/F8_E4M3, attention absorbed/F32, attention expanded/F32, .*norm/F32, add/F32", result.Error);
    }

    [Theory]
    [InlineData("1,999999999", "--batch 1,999999999: \"999999999\" is no number from 1 to 512")]
    [InlineData("513", "--batch 513: \"513\" is no number from 1 to 512")]
    public void More_sequences_than_a_step_has_tokens_are_refused(string batch, string named)
    {
        CliResult result = Cli.Run("bench", "model", Repository.Fable, "--prefill", "4", "--decode", "0", "--batch", batch);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Contains(named, result.Error);
    }

    [Fact]
    public void Steps_beyond_any_context_are_refused()
    {
        CliResult result = Cli.Run("bench", "model", Repository.Fable, "--prefill", "4", "--decode", "0", "--steps", $"{int.MaxValue}");
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Contains($"decode at 0 tokens and {int.MaxValue} steps does not fit the model's context of 1024", result.Error);
    }

    [Fact]
    public void A_prompt_of_the_whole_context_is_measured()
    {
        CliResult result = Cli.Run("bench", "model", Repository.Fable, "--prefill", "1024", "--decode", "", "--repeat", "1");
        Assert.Equal((0, ""), (result.Code, result.Error));
        Assert.Contains("\nprefill 1024 ", result.Output);
    }

    [Fact]
    public void What_one_thread_and_all_threads_can_do_is_told()
    {
        string[] model = ["bench", "model", Repository.Fable, "--prefill", "4", "--decode", "", "--repeat", "1", "--threads", "2"];
        Assert.Matches(@"^machine, [a-z0-9]+: 1 thread [0-9.]+ GB/s, [0-9.]+ GFLOP/s; 2 threads [0-9.]+ GB/s, [0-9.]+ GFLOP/s\n", Cli.Run(model).Output);
        foreach (string[] command in new[] { model, ["bench", "kernels", "--filter", "norm/F32", "--repeat", "1", "--threads", "2"] })
        {
            CliResult result = Cli.Run([.. command, "--json"]);
            Assert.Equal((0, ""), (result.Code, result.Error));
            JsonNode[] limits = [.. JsonNode.Parse(result.Output)!["machine_limits"]!.AsArray().Select(one => one!)];
            Assert.Equal([1, 2], limits.Select(one => one["threads"]!.GetValue<int>()));
            Assert.All(limits, one => Assert.True(one["limit_bytes_per_second"]!.GetValue<double>() > 1e8 && one["limit_flops"]!.GetValue<double>() > 1e8));
        }
    }

    [Fact]
    public void What_was_measured_is_written_where_the_picture_cannot_be_and_tells_how_long_steps_were()
    {
        using TemporaryFolder folder = new();
        string[] arguments = ["bench", "model", Repository.Fable, "--prefill", "16", "--decode", "", "--repeat", "1", "--json"];
        CliResult first = Cli.Run([.. arguments, "--plot", "/dev/full"]);
        Assert.Equal(2, first.Code);
        Assert.Contains("--plot /dev/full: cannot be written", first.Error);
        CliResult second = Cli.Run([.. arguments, "--max-batched-tokens", "8", "--compare", folder.Write("old.json", first.Output)]);
        Assert.Equal((0, ""), (second.Code, second.Error));
        JsonNode steps = JsonNode.Parse(second.Output)!["comparison"]!["differences"]!["max_batched_tokens"]!;
        Assert.Equal(("512", "8"), (steps["then"]!.GetValue<string>(), steps["now"]!.GetValue<string>()));
    }

    [Fact]
    public void A_result_is_compared_with_an_earlier_one_and_drawn()
    {
        // The names end up in the picture and in the JSON.
        using TemporaryFolder folder = new();
        string model = folder.File("a<b>&\"c");
        Directory.CreateSymbolicLink(model, Repository.Fable);
        CliResult first = Cli.Run("bench", "model", model, "--prefill", "16,24", "--decode", "", "--repeat", "2", "--json");
        Assert.Equal((0, ""), (first.Code, first.Error));
        string old = folder.Write("old.json", first.Output);

        string svg = folder.File("model.svg");
        string[] now = ["bench", "model", Repository.Fable, "--prefill", "16", "--decode", "8", "--batch", "1,2", "--repeat", "3", "--compare", old, "--plot", svg];
        CliResult text = Cli.Run(now);
        Assert.Equal((0, ""), (text.Code, text.Error));
        Assert.Contains(text.Lines, line => line.StartsWith("  prefill 16 ", StringComparison.Ordinal) && line.Contains("speed × ") && line.Contains("roofline share × "));
        Assert.Contains(text.Lines, line => line.StartsWith("  prefill 24 ", StringComparison.Ordinal) && line.EndsWith("then only", StringComparison.Ordinal));
        Assert.Contains(text.Lines, line => line.StartsWith("  decode at 8 × 2 ", StringComparison.Ordinal) && line.EndsWith("now only", StringComparison.Ordinal));
        Assert.Contains(text.Lines, line => line.Contains("not the same directory: " + model));
        AssertPicture(svg, "prefill 16", "decode at 8 × 1", "decode at 8 × 2");

        CliResult json = Cli.Run([.. now, "--json"]);
        JsonElement root = JsonDocument.Parse(json.Output).RootElement;
        JsonElement comparison = root.GetProperty("comparison");
        JsonElement row = Assert.Single(comparison.GetProperty("rows").EnumerateArray());
        Assert.Equal("prefill 16", row.GetProperty("label").GetString());
        double[] Runs(JsonElement of) => [.. of.GetProperty("workloads")[0].GetProperty("runs_tokens_per_second").EnumerateArray().Select(run => run.GetDouble())];
        double[] before = Runs(JsonDocument.Parse(first.Output).RootElement);
        double[] after = Runs(root);
        Assert.Equal((2, 3), (before.Length, after.Length));
        JsonElement speed = row.GetProperty("speed");
        Assert.Equal(after.Min() / before.Max(), speed.GetProperty("min").GetDouble(), 1e-9);
        Assert.Equal(after.Order().ElementAt(1) / before.Max(), speed.GetProperty("median").GetDouble(), 1e-9);
        Assert.Equal(after.Max() / before.Min(), speed.GetProperty("max").GetDouble(), 1e-9);
        Assert.Equal(["prefill 24"], comparison.GetProperty("then_only").EnumerateArray().Select(label => label.GetString()));
        Assert.Equal(["decode at 8 × 1", "decode at 8 × 2"], comparison.GetProperty("now_only").EnumerateArray().Select(label => label.GetString()));
    }

    [Fact]
    public void Kernels_are_compared_and_drawn()
    {
        using TemporaryFolder folder = new();
        string svg = folder.File("kernels.svg");
        CliResult first = Cli.Run("bench", "kernels", "--filter", "s/F8", "--repeat", "2", "--json", "--plot", svg);
        Assert.Equal((0, ""), (first.Code, first.Error));
        string[] labels = ["experts F8_E4M3 [1408, 2048] × 1", "experts F8_E4M3 [1408, 2048] × 4", "experts F8_E4M3 [1408, 2048] × 32"];
        AssertPicture(svg, labels);
        CliResult second = Cli.Run("bench", "kernels", "--filter", "s/F8", "--repeat", "1", "--compare", folder.Write("old.json", first.Output));
        Assert.Equal((0, ""), (second.Code, second.Error));
        Assert.All(labels, label => Assert.Contains(second.Lines, line => line.Contains(label) && line.Contains("speed × ")));
    }

    [Theory]
    [InlineData("nothing", "not valid JSON")]
    [InlineData("{\"kernels\": [], \"prepare\": []}", "$: \"workloads\" is missing")]
    [InlineData("[]", "an object is expected")]
    [InlineData("{\"workloads\": [{\"phase\": \"decode\", \"context\": -1, \"batch\": 1}]}", "$.workloads[0].context: -1")]
    [InlineData("{\"workloads\": [{\"phase\": \"sleep\", \"context\": 1, \"batch\": 1}]}", "\"sleep\"")]
    [InlineData("{\"workloads\": [{\"phase\": \"prefill\", \"context\": 1, \"batch\": 1, \"tokens_per_second\": 1}]}", "\"runs_tokens_per_second\" is missing")]
    [InlineData("{\"workloads\": [{\"phase\": \"prefill\", \"context\": 1, \"batch\": 1, \"tokens_per_second\": 1, \"runs_tokens_per_second\": []}]}", "at least one run")]
    [InlineData("{\"workloads\": [{\"phase\": \"prefill\", \"context\": 1, \"batch\": 1, \"tokens_per_second\": 1, \"runs_tokens_per_second\": [0]}]}", "runs_tokens_per_second[0]: 0;")]
    public void A_file_that_is_no_earlier_output_ends_with_one_sentence(string old, string part)
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("old.json", old);
        CliResult result = Cli.Run("bench", "model", Repository.Fable, "--compare", file);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Contains(file, result.Error, StringComparison.Ordinal);
        Assert.Contains(part, result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Rows_that_come_twice_are_refused()
    {
        const string Row = "{\"phase\": \"prefill\", \"context\": 1, \"batch\": 1, \"tokens_per_second\": 1, \"runs_tokens_per_second\": [1], \"roofline_shares\": [1]}";
        using TemporaryFolder folder = new();
        CliResult result = Cli.Run(
            "bench", "model", Repository.Fable, "--compare", folder.Write("old.json", $"{{\"workloads\": [{Row}, {Row}]}}"));
        Assert.Equal(2, result.Code);
        Assert.Contains("\"prefill 1\" was measured twice", result.Error);
    }

    /// <summary>As in Hugging Face's cache.</summary>
    [Fact]
    public void Files_behind_links_that_stay_in_memory_are_not_called_cold()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "dropping files from memory and seeing that they are gone");
        using TemporaryFolder folder = new();
        foreach (string file in Directory.GetFiles(Repository.Fable))
        {
            File.CreateSymbolicLink(folder.File(Path.GetFileName(file)), file);
        }

        File.CreateSymbolicLink(folder.File("dangling"), folder.File("nothing"));

        // What a process has mapped and touched the kernel keeps.
        FileInfo largest = new DirectoryInfo(Repository.Fable).GetFiles().MaxBy(file => file.Length)!;
        using MemoryMappedFile mapping = MemoryMappedFile.CreateFromFile(largest.FullName, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        using MemoryMappedViewAccessor view = mapping.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        for (long offset = 0; offset < largest.Length; offset += Environment.SystemPageSize)
        {
            view.ReadByte(offset);
        }

        CliResult result = Cli.Run("bench", "model", folder.Path, "--prefill", "", "--decode", "", "--start", "--repeat", "1", "--threads", "1", "--json");
        Assert.Equal((0, ""), (result.Code, result.Error));
        JsonElement start = JsonDocument.Parse(result.Output).RootElement.GetProperty("start");
        Assert.InRange(start.GetProperty("resident_share_after_dropping").GetDouble(), 0.5, 1);
        Assert.False(start.TryGetProperty("cold", out _));
    }

    [Fact]
    public void Starts_are_timed_in_processes_of_their_own()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "dropping files from memory and seeing that they are gone");

        // A copy: pages that another process has mapped stay.
        using TemporaryFolder folder = new();
        foreach (string file in Directory.GetFiles(Repository.Fable))
        {
            File.Copy(file, folder.File(Path.GetFileName(file)));
        }

        string svg = folder.File("start.svg");
        CliResult result = Cli.Run(
            "bench", "model", folder.Path, "--prefill", "", "--decode", "", "--start", "--repeat", "2", "--threads", "1", "--json", "--plot", svg);
        Assert.Equal((0, ""), (result.Code, result.Error));
        JsonElement root = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal(0, root.GetProperty("workloads").GetArrayLength());
        JsonElement start = root.GetProperty("start");
        double[] Runs(string kind) => [.. start.GetProperty(kind).GetProperty("runs_seconds").EnumerateArray().Select(run => run.GetDouble())];
        Assert.Equal(2, Runs("warm").Length);
        Assert.All(Runs("warm"), seconds => Assert.True(seconds > 0));
        Assert.InRange(start.GetProperty("peak_resident_bytes").GetInt64(), 10_000_000, 2_000_000_000);

        // Whether files leave memory is the file system's affair; what is called cold must have left it.
        double resident = start.GetProperty("resident_share_after_dropping").GetDouble();
        Assert.InRange(resident, 0, 1);
        Assert.Equal(resident <= 0.05, start.TryGetProperty("cold", out _));
        if (resident <= 0.05)
        {
            Assert.Equal(2, Runs("cold").Length);
            AssertPicture(svg, "start, warm", "start, cold");
        }
        else
        {
            AssertPicture(svg, "start, warm");
        }
    }

    [Fact]
    public void A_picture_without_a_place_is_refused_before_anything_is_measured()
    {
        using TemporaryFolder folder = new();
        foreach (string place in new[] { folder.Path, Path.Combine(folder.Path, "missing", "a.svg"), "/proc/a.svg" })
        {
            CliResult result = Cli.Run("bench", "model", Repository.Fable, "--plot", place);
            Assert.Equal((2, ""), (result.Code, result.Output));
            Assert.Contains(place, result.Error);
        }
    }

    [Fact]
    public void A_mistake_costs_no_earlier_picture_and_leaves_no_empty_one()
    {
        using TemporaryFolder folder = new();
        string earlier = folder.Write("earlier.svg", "<svg/>");
        foreach (string place in new[] { earlier, folder.File("new.svg") })
        {
            Assert.Equal(2, Cli.Run("bench", "model", Repository.Fable, "--plot", place, "--steps", "0").Code);
        }

        Assert.Equal([earlier], Directory.GetFiles(folder.Path));
        Assert.Equal("<svg/>", File.ReadAllText(earlier));
    }

    [Fact]
    public void A_signal_ends_a_kernel_between_two_of_its_calls()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "POSIX signals");

        // All of its calls would take far longer than the test may.
        using Process process = Cli.Start("dotnet", [Cli.Program, "bench", "kernels", "--isa", "reference", "--threads", "1", "--filter", "matmul/F32 [3072, 2048] × 16", "--repeat", "10000"]);
        Assert.StartsWith("machine, reference: ", process.StandardOutput.ReadLine());
        using Process kill = Process.Start("kill", ["-INT", $"{process.Id}"]);
        CliResult result = Cli.Finish(process);
        Assert.Equal((130, "", ""), (result.Code, result.Output, result.Error));
    }

    [Theory]
    [InlineData("--prefill", "12,x", "\"x\" is no number")]
    [InlineData("--prefill", "2000000", "does not fit the model's context")]
    [InlineData("--batch", "0", "\"0\" is no number from 1 to 512")]
    [InlineData("--batch", "", "--batch: the list is empty; numbers with commas between them are expected")]
    [InlineData("--repeat", "0", "--repeat 0: 1 to 10000 are expected")]
    [InlineData("--repeat", "2147483647", "--repeat 2147483647: 1 to 10000 are expected")]
    [InlineData("--steps", "-1", "at least 1")]
    public void A_mistake_ends_with_one_sentence(string option, string value, string part)
    {
        CliResult result = Cli.Run("bench", "model", Repository.Fable, option, value);
        Assert.Equal(2, result.Code);
        Assert.Contains(part, result.Error, StringComparison.Ordinal);
    }

    /// <summary>Well-formed, complete in itself, and every label a text of its own.</summary>
    private static void AssertPicture(string file, params string[] labels)
    {
        XDocument document = XDocument.Load(file);
        Assert.Equal(XName.Get("svg", "http://www.w3.org/2000/svg"), document.Root!.Name);
        Assert.DoesNotContain(document.Descendants().Attributes(), attribute => attribute.Name.LocalName == "href");
        string[] texts = [.. document.Descendants(XName.Get("text", "http://www.w3.org/2000/svg")).Select(text => text.Value)];
        Assert.All(labels, label => Assert.Single(texts, label));
    }
}
