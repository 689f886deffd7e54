using System.Text.Json;
using Conclave.Checkpoints;
using Conclave.Cli.Frame;
using Conclave.Primitives;
using Spectre.Console;
using PlainText = Spectre.Console.Text;

namespace Conclave.Cli.Inspection;

/// <summary>What inspect found, for persons and for programs.</summary>
internal sealed class InspectionReport(Checkpoint checkpoint, CheckpointSummary summary, bool listTensors, IReadOnlyList<NanFinding>? findings)
{
    private readonly ModelConfig _config = checkpoint.Config;

    private IEnumerable<StoredTensor> Tensors => checkpoint.Tensors.OrderBy(tensor => tensor.Name, NaturalOrder.Instance);

    /// <summary>Sentences and tables.</summary>
    public void WriteText(TextWriter output)
    {
        foreach ((string topic, string words) in ConfigurationWords.Describe(_config).Concat(Needs()))
        {
            output.WriteLine($"{topic,-11} {words}");
        }

        output.WriteLine();
        Table table = NewTable(["kind", "format"], ["tensors", "parameters", "bytes"]);
        foreach (TensorGroup group in summary.Groups)
        {
            AddRow(table, group.Kind.Words(), group.AreScales ? $"{group.Format} scales" : $"{group.Format}",
                $"{group.Tensors:N0}", group.AreScales ? "" : $"{group.Elements:N0}", $"{group.Bytes:N0}");
        }

        IAnsiConsole console = Terminal.Formatted(output);
        console.Write(table);
        if (listTensors)
        {
            Table all = NewTable(["tensor", "format", "shape"], ["bytes"], ["file"]);
            foreach (StoredTensor tensor in Tensors)
            {
                AddRow(all, tensor.Name, $"{tensor.Format}", tensor.ShapeText, $"{tensor.Bytes:N0}", Path.GetFileName(tensor.File.Path));
            }

            console.Write(all);
        }

        foreach (string line in ScanResult())
        {
            output.WriteLine(Terminal.Printable(line));
        }
    }

    /// <summary>One JSON object.</summary>
    public void WriteJson(TextWriter output) => JsonOutput.WriteLine(output, indented: true, write: json =>
    {
        json.WriteStartObject();
        json.WriteString("directory", checkpoint.Directory);
        json.WriteString("model_type", _config.ModelType);
        json.WriteStartObject("description");
        foreach ((string topic, string words) in ConfigurationWords.Describe(_config))
        {
            json.WriteString(topic, words);
        }

        json.WriteEndObject();
        json.WriteNumber("layers", _config.Layers);
        json.WriteNumber("mtp_layers", _config.MtpLayers);
        json.WriteNumber("vocabulary", _config.VocabularySize);
        json.WriteNumber("context", _config.MaxPositions);
        json.WriteNumber("parameters", summary.Parameters);
        json.WriteNumber("active_parameters", summary.ActiveParameters);
        json.WriteNumber("mtp_parameters", summary.MtpParameters);
        json.WriteNumber("bytes", summary.Bytes);
        json.WriteNumber("bytes_read_per_token", summary.ActiveBytes);
        json.WriteNumber("cache_bytes_per_token_f32", summary.CacheBytesPerToken(ElementFormat.F32));
        json.WriteNumber("cache_bytes_per_token_bf16", summary.CacheBytesPerToken(ElementFormat.BF16));
        json.WriteNumber("memory_for_full_context", summary.MemoryFor(_config.MaxPositions));
        WriteKinds(json);
        if (listTensors)
        {
            WriteTensors(json);
        }

        if (findings is not null)
        {
            WriteFindings(json, findings);
        }

        json.WriteEndObject();
    });

    private void WriteKinds(Utf8JsonWriter json)
    {
        json.WriteStartArray("kinds");
        foreach (TensorGroup group in summary.Groups)
        {
            json.WriteStartObject();
            json.WriteString("kind", group.Kind.Words());
            json.WriteString("format", group.Format.ToString());
            json.WriteBoolean("scales", group.AreScales);
            json.WriteNumber("tensors", group.Tensors);
            json.WriteNumber("elements", group.Elements);
            json.WriteNumber("bytes", group.Bytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteFindings(Utf8JsonWriter json, IEnumerable<NanFinding> findings)
    {
        json.WriteStartArray("nan");
        foreach (NanFinding finding in findings)
        {
            json.WriteStartObject();
            json.WriteString("tensor", finding.Tensor.Name);
            json.WriteNumber("count", finding.Count);
            json.WriteNumber("first_element", finding.FirstElement);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteTensors(Utf8JsonWriter json)
    {
        json.WriteStartArray("tensors");
        foreach (StoredTensor tensor in Tensors)
        {
            json.WriteStartObject();
            json.WriteString("name", tensor.Name);
            json.WriteString("format", tensor.Format.ToString());
            json.WriteStartArray("shape");
            foreach (nint side in tensor.Shape)
            {
                json.WriteNumberValue((long)side);
            }

            json.WriteEndArray();
            json.WriteNumber("bytes", (long)tensor.Bytes);
            json.WriteString("file", Path.GetFileName(tensor.File.Path));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private IEnumerable<(string Topic, string Words)> Needs()
    {
        yield return ("parameters", $"{Amount(summary.Parameters)}, of which {Amount(summary.ActiveParameters)} are active for a token"
            + (summary.MtpParameters > 0 ? $"; {Amount(summary.MtpParameters)} more for multi-token prediction" : ""));
        yield return ("files", $"{checkpoint.Files.Count}, {Amount(summary.Bytes)}B of tensors; generating a token reads {Amount(summary.ActiveBytes)}B of them");
        yield return ("cache", $"{summary.CacheBytesPerToken(ElementFormat.F32):N0} bytes for a token in F32, {summary.CacheBytesPerToken(ElementFormat.BF16):N0} in BF16; "
            + $"{_config.MaxPositions:N0} tokens take {Amount(_config.MaxPositions * summary.CacheBytesPerToken(ElementFormat.F32))}B or half of it");
        long machine = MachineMemory.Limit;
        long full = summary.MemoryFor(_config.MaxPositions);
        yield return ("to run it", $"{Amount(full)}B of memory for the whole context (F32 cache), {Amount(summary.MemoryFor(0))}B to begin; this machine has {Amount(machine)}B"
            + (summary.MemoryFor(0) > machine ? ": weights would be read from disk again and again" : ""));
    }

    private IEnumerable<string> ScanResult()
    {
        if (findings is null)
        {
            yield break;
        }

        foreach (NanFinding finding in findings)
        {
            yield return $"{finding.Tensor.File.Path}: tensor \"{finding.Tensor.Name}\" {finding.Tensor.ShapeText}: {finding.Count:N0} {(finding.Tensor.Format == ElementFormat.F8_E4M3 ? "NaN codes" : "NaN or infinite")}, the first at element {finding.FirstElement:N0}";
        }

        yield return findings.Count == 0 ? "no NaN codes in FP8 weights, no NaN or infinity in other tensors" : $"{findings.Count:N0} tensors with elements that are no numbers: get these files again";
    }

    private static Table NewTable(string[] left, string[] right, string[]? last = null)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string title in left.Concat(right).Concat(last ?? []))
        {
            TableColumn column = new(new PlainText(title)) { NoWrap = true, Alignment = right.Contains(title) ? Justify.Right : Justify.Left };
            table.AddColumn(column);
        }

        return table;
    }

    // Names come from files: they are text, never markup.
    private static void AddRow(Table table, params string[] cells) => table.AddRow(cells.Select(cell => new PlainText(Terminal.Printable(cell))));

    /// <summary>Three digits and a unit of thousands: 26.9 M.</summary>
    private static string Amount(long value)
    {
        double number = value;
        string[] units = ["", "k", "M", "G", "T"];
        int unit = 0;
        while (number >= 999.5 && unit < units.Length - 1)
        {
            number /= 1000;
            unit++;
        }

        string digits = unit == 0 ? $"{number:F0}" : number < 9.995 ? $"{number:F2}" : number < 99.95 ? $"{number:F1}" : $"{number:F0}";
        return $"{digits} {units[unit]}";
    }
}
