namespace Conclave.Testing;

/// <summary>Where things are in the checkout that the tests run from.</summary>
public static class Repository
{
    /// <summary>The root of the checkout.</summary>
    public static string Root { get; } = Find();

    /// <summary>The bundled model.</summary>
    public static string Fable => Path.Combine(Root, "models", "fable");

    /// <summary>A file or folder below tests/data.</summary>
    public static string Data(params string[] parts) => Path.Combine([Root, "tests", "data", .. parts]);

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Conclave.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"Conclave.slnx was not found above {AppContext.BaseDirectory}");
    }
}
