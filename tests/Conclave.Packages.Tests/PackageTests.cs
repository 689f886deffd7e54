using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Conclave.EndToEnd.Tests;
using Conclave.Engine;
using Conclave.Extensions.AI;
using Conclave.Testing;
using Microsoft.Extensions.AI;
using LoadOptions = Conclave.Engine.LoadOptions;

namespace Conclave.Packages.Tests;

/// <summary>What is packed can be used: the libraries in another project, the tool in another folder, and the samples.</summary>
public sealed partial class PackageTests(PackedFeed feed) : IClassFixture<PackedFeed>
{
    private const string Tool = "Conclave.Cli";
    private const string Top = "Conclave.Extensions.AI";
    private const string Message = "Tell me a story about a fox.";

    private static readonly Dictionary<string, string[]> Libraries = new(StringComparer.Ordinal)
    {
        ["Conclave.Primitives"] = [],
        ["Conclave.Checkpoints"] = ["Conclave.Primitives"],
        ["Conclave.Kernels"] = ["Conclave.Primitives"],
        ["Conclave.Text"] = ["Conclave.Primitives"],
        ["Conclave.Models"] = ["Conclave.Checkpoints", "Conclave.Kernels"],
        ["Conclave.Engine"] = ["Conclave.Models", "Conclave.Text"],
        [Top] = ["Conclave.Engine"],
    };

    [Fact]
    public void LibrariesArePackedInLockstepAndTheModelWithTheToolOnly()
    {
        Dictionary<string, string> packages = feed.Packages;
        Assert.Equal([.. Libraries.Keys.Append(Tool).Order()], packages.Keys.Order());
        string version = Version(packages[Tool]);
        foreach ((string id, string path) in packages)
        {
            Dictionary<string, XElement> metadata = PackedFeed.Metadata(path);
            Assert.Equal(version, metadata["version"].Value);
            Assert.Equal("Apache-2.0", metadata["license"].Value);
            Assert.Equal("README.md", metadata["readme"].Value);
            Assert.True(metadata["description"].Value.Length > 20, metadata["description"].Value);
            string[] files = PackedFeed.Files(path);
            Assert.All(files.Where(IsOwn), file => CheckSymbols(path, file));
            Assert.All(files.Where(file => file.EndsWith(".dll", StringComparison.Ordinal)), file => CheckIsForAnyMachine(path, file));
            Assert.Contains("README.md", files);
            Assert.Equal(id == Tool, files.Any(file => file.EndsWith("/models/fable/model.safetensors", StringComparison.Ordinal)));
            if (id == Tool)
            {
                continue;
            }

            XElement[] dependencies = [.. metadata["dependencies"].Descendants().Where(element => element.Name.LocalName == "dependency")];
            XElement[] own = [.. dependencies.Where(dependency => dependency.Attribute("id")!.Value.StartsWith("Conclave.", StringComparison.Ordinal))];
            Assert.Equal(Libraries[id], own.Select(dependency => dependency.Attribute("id")!.Value).Order());
            Assert.All(own, dependency => Assert.Equal(version, dependency.Attribute("version")!.Value));
            Assert.Equal(id == Top ? 2 : 0, dependencies.Length - own.Length);
            Assert.Contains($"lib/net10.0/{id}.dll", files);
            Assert.Contains($"lib/net10.0/{id}.xml", files);
        }
    }

    [Fact]
    public void TheInstalledToolRunsFromAnyFolderAndSaysWhatTheEngineSays()
    {
        string tools = feed.Folder("tools");
        feed.Dotnet(tools, ["tool", "install", Tool, "--tool-path", tools, "--configfile", feed.Sources, "--version", Version(feed.Packages[Tool])]);
        string[] arguments = ["generate", "Once upon a time", "--max-tokens", "24", "--seed", "7", "--json"];
        JsonNode answer = JsonNode.Parse(PackedFeed.Succeed(Cli.RunProgram(Path.Combine(tools, "conclave"), arguments, folder: feed.Folder("elsewhere"))))!;

        using LoadedModel model = LoadedModel.Open(Repository.Fable, new LoadOptions());
        using InferenceEngine engine = new(model, new EngineOptions());
        List<int> prompt = [];
        model.Tokenizer.Encode("Once upon a time", prompt, addSpecialTokens: true);
        GenerationRequest request = new() { Prompt = prompt, Sampling = model.SuggestedSampling with { Seed = 7, MaxTokens = 24 } };
        GeneratedText expected = GeneratedText.Wait(engine, request, _ => { }, TestContext.Current.CancellationToken);
        Assert.Equal(expected.Tokens, answer["ids"]!.AsArray().Select(id => id!.GetValue<int>()));
        Assert.Equal(expected.Text, answer["text"]!.GetValue<string>());
    }

    [Fact]
    public void TheConsoleSampleTellsTheSameTaleFromTheCheckoutAndFromThePackages()
    {
        string tale = PackedFeed.Succeed(Cli.RunProgram("dotnet", [Sample("Tale")]));
        Assert.True(tale.Length > 100, tale);

        string project = feed.Folder("Tale");
        File.Copy(Path.Combine(Repository.Root, "samples", "Tale", "Program.cs"), Path.Combine(project, "Program.cs"));
        File.WriteAllText(
            Path.Combine(project, "Tale.csproj"),
            $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
              </PropertyGroup>
              <ItemGroup><PackageReference Include="{Top}" Version="{Version(feed.Packages[Top])}" /></ItemGroup>
            </Project>
            """);
        feed.Dotnet(project, ["build", "-c", "Release", "-o", "out", "-nologo", "-v", "quiet", .. PackedFeed.NoServers]);

        // Not in invariant mode: numbers have commas there.
        Assert.Equal(tale, PackedFeed.Succeed(Cli.RunProgram("dotnet", ["out/Tale.dll", Repository.Fable], [("LC_ALL", "de_DE.UTF-8")], project)));
    }

    [Fact]
    public async Task TheWebSampleAnswersWhenItIsStartedAsItSays() => Assert.DoesNotContain("think>", await AskWebSampleAsync(), StringComparison.Ordinal);

    [Fact]
    public async Task TheWebSampleStreamsWhatTheModelSays()
    {
        string greedy = feed.Folder("greedy");
        foreach (string file in Directory.GetFiles(Repository.Fable))
        {
            File.Copy(file, Path.Combine(greedy, Path.GetFileName(file)));
        }

        File.WriteAllText(Path.Combine(greedy, "generation_config.json"), """{"eos_token_id": 1, "temperature": 0}""");
        using LoadedModel model = LoadedModel.Open(greedy, new LoadOptions());
        using InferenceEngine engine = new(model, new EngineOptions());
        using ConclaveChatClient client = new(model, engine);
        ChatResponse expected = await client.GetResponseAsync(Message, new ChatOptions { MaxOutputTokens = 500 }, TestContext.Current.CancellationToken);
        Assert.Equal(expected.Text, await AskWebSampleAsync("--Model", greedy));
    }

    [Fact]
    public void TheWebSampleSaysInASentenceThatThereIsNoModel()
    {
        CliResult result = Cli.RunProgram("dotnet", [Sample("ChatApi"), "--urls", "http://127.0.0.1:0"], folder: feed.Folder("elsewhere"));
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.StartsWith("error: models/fable: there is no such folder", result.Error, StringComparison.Ordinal);
        Assert.Equal(result.Error.Length - 1, result.Error.IndexOf('\n', StringComparison.Ordinal));
    }

    // What it answers; it is told to stop then.
    private static async Task<string> AskWebSampleAsync(params string[] arguments)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string[] documented = ["run", "--project", "samples/ChatApi", "-c", PackedFeed.Configuration];
        using Process process = Cli.Start("dotnet", [.. documented, "--no-build", "--", "--urls", "http://127.0.0.1:0", .. arguments]);
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellation);
        Uri address = await AddressAsync(process.StandardOutput);
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancellation);
        using HttpClient http = new() { BaseAddress = address };
        using HttpRequestMessage request = new(HttpMethod.Post, "/chat") { Content = new StringContent(Message) };
        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        response.EnsureSuccessStatusCode();
        Assert.True(response.Headers.TransferEncodingChunked);
        string text = await response.Content.ReadAsStringAsync(cancellation);
        Assert.True(text.Length > 20, text);

        PackedFeed.Succeed(Cli.RunProgram("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]));
        await process.WaitForExitAsync(cancellation);
        Assert.Equal((0, ""), (process.ExitCode, await errors));
        Assert.DoesNotContain("Exception", await output, StringComparison.Ordinal);
        return text;
    }

    private static bool IsOwn(string file) =>
        Path.GetFileName(file) is var name && name.EndsWith(".dll", StringComparison.Ordinal) && name.StartsWith("conclave", StringComparison.OrdinalIgnoreCase);

    // Whoever has an exception's stack, or steps into the engine, sees lines, wherever it was packed.
    private static void CheckSymbols(string package, string file)
    {
        using PEReader assembly = new(new MemoryStream(PackedFeed.Content(package, file)));
        ImmutableArray<DebugDirectoryEntry> entries = assembly.ReadDebugDirectory();
        Assert.Contains(entries, entry => entry.Type == DebugDirectoryEntryType.Reproducible);
        using MetadataReaderProvider embedded = assembly.ReadEmbeddedPortablePdbDebugDirectoryData(entries.Single(entry => entry.Type == DebugDirectoryEntryType.EmbeddedPortablePdb));
        MetadataReader symbols = embedded.GetMetadataReader();
        string[] sources = [.. symbols.Documents.Select(document => symbols.GetString(symbols.GetDocument(document).Name))];
        Assert.NotEmpty(sources);
        Assert.All(sources, source => Assert.False(source.StartsWith(Repository.Root, StringComparison.Ordinal), source));
    }

    // ReadyToRun images have machine code, and a header that says so.
    private static void CheckIsForAnyMachine(string package, string file)
    {
        using PEReader assembly = new(new MemoryStream(PackedFeed.Content(package, file)));
        CorHeader header = assembly.PEHeaders.CorHeader!;
        Assert.Equal((true, 0), (header.Flags.HasFlag(CorFlags.ILOnly), header.ManagedNativeHeaderDirectory.Size));
    }

    private static string Version(string package) => PackedFeed.Metadata(package)["version"].Value;

    private static string Sample(string name) => Path.Combine(Repository.Root, "samples", name, "bin", PackedFeed.Configuration, "net10.0", $"{name}.dll");

    private static async Task<Uri> AddressAsync(StreamReader output)
    {
        while (await output.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
        {
            if (Listening().Match(line) is { Success: true } match)
            {
                return new Uri(match.Groups["address"].Value);
            }
        }

        throw new InvalidOperationException("the sample ended before it listened");
    }

    [GeneratedRegex("Now listening on: (?<address>http://[^ ]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Listening();
}
