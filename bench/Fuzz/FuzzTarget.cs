namespace Conclave.Fuzz;

/// <summary>
/// Something that reads what strangers give it. <paramref name="Run"/> returns or throws one of the exceptions that tell a person what is
/// wrong; anything else that it throws is a finding.
/// </summary>
internal sealed record FuzzTarget(string Name, Func<IReadOnlyList<byte[]>> Corpus, Action<byte[]> Run);
