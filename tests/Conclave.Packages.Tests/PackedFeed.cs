using System.IO.Compression;
using System.Xml.Linq;
using Conclave.EndToEnd.Tests;
using Conclave.Testing;

namespace Conclave.Packages.Tests;

/// <summary>What "dotnet pack" makes of this checkout, in a folder of its own, and a NuGet configuration that knows no other Conclave.</summary>
public sealed class PackedFeed : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public PackedFeed()
    {
        Feed = Directory.CreateDirectory(_folder.File("feed")).FullName;

        // Whoever packs has run the command before: what is compiled for this machine must not travel.
        Succeed(Cli.RunProgram(Path.Combine(Repository.Root, "conclave"), ["--version"]));
        Run(Repository.Root, ["pack", "Conclave.slnx", "-c", Configuration, "-o", Feed, "-nologo", "-v", "quiet", .. NoServers]);
        string listed = Run(_folder.Path, ["nuget", "locals", "global-packages", "--list"]);
        string restored = listed[(listed.IndexOf(": ", StringComparison.Ordinal) + 2)..].Trim();

        // Packages of others were restored when these tests were built: no network is needed.
        Sources = _folder.Write(
            "nuget.config",
            $"""
            <configuration>
              <packageSources><clear /><add key="packed" value="{Feed}" /><add key="restored" value="{restored}" /></packageSources>
              <packageSourceMapping><clear />
                <packageSource key="packed"><package pattern="Conclave.*" /></packageSource><packageSource key="restored"><package pattern="*" /></packageSource>
              </packageSourceMapping>
            </configuration>
            """);
    }

    /// <summary>The configuration that was built with these tests.</summary>
    public static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    /// <summary>Without them a build leaves processes behind, which hold its output open.</summary>
    public static string[] NoServers { get; } = ["-nodeReuse:false", "-p:UseSharedCompilation=false"];

    /// <summary>The folder of the packages.</summary>
    public string Feed { get; }

    /// <summary>The NuGet configuration.</summary>
    public string Sources { get; }

    /// <summary>The packages' files by their ids.</summary>
    public Dictionary<string, string> Packages => Directory.GetFiles(Feed, "*.nupkg").ToDictionary(path => Metadata(path)["id"]!.Value, StringComparer.Ordinal);

    /// <summary>A new folder beside the feed.</summary>
    public string Folder(string name) => Directory.CreateDirectory(_folder.File(name)).FullName;

    /// <summary>Runs a dotnet command that must succeed, with a package cache in which nothing is stale, and returns its output.</summary>
    public string Dotnet(string folder, string[] arguments) => Run(folder, arguments, [("NUGET_PACKAGES", _folder.File("cache"))]);

    /// <summary>The output of a command that must have succeeded.</summary>
    internal static string Succeed(CliResult result)
    {
        Assert.True(result.Code == 0, $"exit code {result.Code}: {result.Output}{result.Error}");
        return result.Output;
    }

    /// <summary>The metadata of a package by their names.</summary>
    public static Dictionary<string, XElement> Metadata(string package)
    {
        using ZipArchive archive = ZipFile.OpenRead(package);
        using Stream nuspec = archive.Entries.Single(entry => entry.FullName.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        return XDocument.Load(nuspec).Root!.Elements().Single().Elements().ToDictionary(element => element.Name.LocalName, StringComparer.Ordinal);
    }

    /// <summary>The names of a package's files.</summary>
    public static string[] Files(string package)
    {
        using ZipArchive archive = ZipFile.OpenRead(package);
        return [.. archive.Entries.Select(entry => entry.FullName)];
    }

    /// <summary>One of a package's files.</summary>
    public static byte[] Content(string package, string file)
    {
        using ZipArchive archive = ZipFile.OpenRead(package);
        using Stream content = archive.GetEntry(file)!.Open();
        using MemoryStream bytes = new();
        content.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static string Run(string folder, string[] arguments, (string Name, string Value)[]? environment = null) =>
        Succeed(Cli.RunProgram("dotnet", arguments, environment, folder));

    public void Dispose() => _folder.Dispose();
}
