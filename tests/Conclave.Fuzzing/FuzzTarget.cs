namespace Conclave.Fuzzing;

/// <summary>A file by name.</summary>
public sealed record FuzzFile(string Name, byte[] Bytes);

/// <summary>Something that reads the files that strangers give it.</summary>
/// <param name="Name">What it is called on the command line.</param>
/// <param name="Corpus">Sets of valid files; one file of a set is damaged at a time.</param>
/// <param name="Run">
/// Reads a folder of such files. Returns, or throws <see cref="Primitives.UserErrorException"/> naming a file in the folder; anything else is
/// a finding.
/// </param>
public sealed record FuzzTarget(string Name, IReadOnlyList<IReadOnlyList<FuzzFile>> Corpus, Action<string> Run);
