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

    /// <summary>The small models that stand for the family: latent queries or not, groups or not, softmax and sigmoid, FP8, BF16 and F32.</summary>
    public static IReadOnlyList<string> SmallModels { get; } = ["fable", "v3-mtp-fp8", "v3-nogroup-bf16", "v2-greedy-bf16", "v2-group-f32"];

    /// <summary>The folder of one of <see cref="SmallModels"/>.</summary>
    public static string Model(string name) => name == "fable" ? Fable : Data(name);

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
