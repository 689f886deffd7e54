using System.Buffers.Binary;
using System.Diagnostics;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Fuzzing;

/// <summary>How a case ended.</summary>
/// <param name="Refused">The files were refused with a message for the person who gave them.</param>
/// <param name="Problem">What must not be; null where all is well.</param>
/// <param name="Hangs">The case is still running; the process cannot go on.</param>
public sealed record FuzzOutcome(bool Refused, string? Problem, bool Hangs = false);

/// <summary>Gives a target damaged files. A seed stands for one case, whichever were before it.</summary>
/// <param name="target">What reads.</param>
/// <param name="folder">Where the files lie while they are read. They stay there if the process dies.</param>
public sealed class Fuzzer(FuzzTarget target, string folder)
{
    // Generous: neighbours may be busy. What is quadratic in 64 KiB takes far longer.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private const long MaxAllocated = 1L << 30;

    // The smallest stack that a thread gets on the platforms we support.
    private const int StackBytes = 512 << 10;

    /// <summary>Damages and reads one case.</summary>
    public FuzzOutcome Run(int seed)
    {
        foreach (FuzzFile file in Files(seed))
        {
            File.WriteAllBytes(Path.Combine(folder, file.Name), file.Bytes);
        }

        FuzzOutcome? outcome = null;
        Thread thread = new(() => outcome = Read(), StackBytes) { IsBackground = true };
        thread.Start();
        return thread.Join(Limit)
            ? outcome!
            : new FuzzOutcome(Refused: false, $"still running after {Limit.TotalSeconds} s", Hangs: true);
    }

    /// <summary>The files of one case.</summary>
    public IReadOnlyList<FuzzFile> Files(int seed)
    {
        Random random = new(seed);
        IReadOnlyList<FuzzFile> files = target.Corpus[random.Next(target.Corpus.Count)];
        int chosen = random.Next(files.Count);
        IReadOnlyList<byte[]> same = [.. target.Corpus.SelectMany(set => set).Where(file => file.Name == files[chosen].Name).Select(file => file.Bytes)];
        byte[] bytes = files[chosen].Bytes;
        byte[] damaged = (random.Next(2) == 0 ? Restructure(files[chosen].Name, bytes, seed) : null) ?? new Mutator(seed).Next([bytes, .. same.Take(8)]);
        return [.. files.Select((file, i) => i == chosen ? file with { Bytes = damaged } : file)];
    }

    private static byte[]? Restructure(string name, byte[] bytes, int seed)
    {
        JsonMutator mutator = new(seed);
        if (!name.EndsWith(".safetensors", StringComparison.Ordinal))
        {
            return mutator.Next(bytes);
        }

        // Eight bytes of length, JSON, data.
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        byte[] header = mutator.Next(bytes[8..(8 + length)])!;
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        return [.. prefix, .. header, .. bytes.AsSpan(8 + length)];
    }

    private FuzzOutcome Read()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Stopwatch clock = Stopwatch.StartNew();
        bool refused = false;
        try
        {
            target.Run(folder);
        }
        catch (UserErrorException e)
        {
            refused = true;
            if (!e.Message.Contains(folder, StringComparison.Ordinal))
            {
                return new FuzzOutcome(refused, $"a message that names no file: {e}");
            }
        }
        catch (Exception e)
        {
            return new FuzzOutcome(refused, e.ToString());
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return new FuzzOutcome(refused, allocated > MaxAllocated ? $"allocated {allocated} bytes in {clock.Elapsed.TotalSeconds:F1} s" : null);
    }
}
