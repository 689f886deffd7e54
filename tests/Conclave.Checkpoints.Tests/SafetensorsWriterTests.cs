using System.Diagnostics;
using CsCheck;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Checkpoints.Tests;

public class SafetensorsWriterTests
{
    private static readonly Gen<nint[]> Shapes = Gen.Int[0, 5].Select(side => (nint)side).Array[0, 8];

    private static readonly Gen<(string Name, ElementFormat Format, nint[] Shape)[]> TensorSets =
        Gen.Select(Gen.String[Gen.Char["ab.\"\\/ é漢0\u0001"], 0, 12], Gen.Enum<ElementFormat>(), Shapes)
            .Array[0, 8]
            .Where(set => set.Select(tensor => tensor.Item1).Distinct(StringComparer.Ordinal).Count() == set.Length);

    private static readonly TensorDeclaration Small = new("a", ElementFormat.U8, 4);

    [Fact]
    public void WhateverIsWrittenIsReadBack()
    {
        using TemporaryFolder folder = new();
        int file = 0;
        Gen.Select(TensorSets, Gen.Int, Gen.Int[1, 100]).Sample(
            (set, seed, part) =>
            {
                string path = folder.File($"{Interlocked.Increment(ref file)}.safetensors");
                TensorDeclaration[] tensors = [.. set.Select(tensor => new TensorDeclaration(tensor.Name, tensor.Format, tensor.Shape))];
                byte[] data = new byte[tensors.Sum(tensor => tensor.Bytes)];
                new Random(seed).NextBytes(data);
                using (SafetensorsWriter writer = new(path, tensors, new Dictionary<string, string>(StringComparer.Ordinal) { ["é\""] = "\n" }))
                {
                    for (int at = 0; at < data.Length; at += part)
                    {
                        writer.Append(data.AsSpan(at, Math.Min(part, data.Length - at)));
                    }

                    writer.Complete();
                }

                Assert.Equal(new FileInfo(path).Length, SafetensorsWriter.FileBytes(tensors, new Dictionary<string, string>(StringComparer.Ordinal) { ["é\""] = "\n" }));
                AssertHolds(path, tensors, data);
            },
            iter: 300);
    }

    [Fact]
    public unsafe void ViewsAreWrittenRowByRow()
    {
        using TemporaryFolder folder = new();
        using NativeBuffer buffer = NativeBuffer.ForF32(3, 4, out TensorView view);
        for (int i = 0; i < 12; i++)
        {
            ((float*)buffer.Data)[i] = i;
        }

        string path = folder.File("x.safetensors");
        using (SafetensorsWriter writer = new(
            path, [new TensorDeclaration("whole", ElementFormat.F32, 3, 4), new TensorDeclaration("part", ElementFormat.F32, 3, 2)]))
        {
            writer.Append(view);
            writer.Append(view.SliceColumns(1, 2));
            writer.Complete();
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal([8f, 9, 10, 11], file.Get("whole").View.RowF32(2).ToArray());
        Assert.Equal([9f, 10], file.Get("part").View.RowF32(2).ToArray());
    }

    [Fact]
    public void AnUnfinishedFileDoesNotAppear()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("x.safetensors");
        using (SafetensorsWriter writer = new(path, [new TensorDeclaration("a", ElementFormat.U8, 4)]))
        {
            writer.Append([1, 2, 3]);
            Assert.Throws<InvalidOperationException>(writer.Complete);
            Assert.Throws<InvalidOperationException>(() => writer.Append([4, 5]));
        }

        Assert.Empty(Directory.EnumerateFiles(folder.Path));
    }

    [Fact]
    public void AFolderThatIsMissingIsAUserError()
    {
        using TemporaryFolder folder = new();
        string path = Path.Combine(folder.Path, "no", "x.safetensors");
        Assert.StartsWith(path, Assert.Throws<UserErrorException>(() => new SafetensorsWriter(path, [])).Message);
    }

    [Fact]
    public void ALinkStaysAndWhatItLeadsToIsReplaced()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need a right there");
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(folder.File("elsewhere"));
        string target = Path.Combine("elsewhere", "x.safetensors");
        foreach (string before in (string[])["", "an older file"])
        {
            string link = folder.File($"link{before.Length}");
            string second = folder.File($"second{before.Length}");
            File.CreateSymbolicLink(link, target);
            File.CreateSymbolicLink(second, link);
            if (before.Length > 0)
            {
                folder.Write(target, before);
            }

            Write(second);
            Assert.Equal((link, target), (new FileInfo(second).LinkTarget, new FileInfo(link).LinkTarget));
            AssertHolds(folder.File(target), [Small], [1, 2, 3, 4]);
            Assert.Single(Directory.EnumerateFiles(folder.File("elsewhere")));
            File.Delete(folder.File(target));
        }
    }

    [Fact]
    public void WhatIsNoFileIsNotReplaced()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "other systems do not tell");
        using TemporaryFolder folder = new();
        string pipe = folder.File("pipe");
        using (Process make = Process.Start("mkfifo", [pipe]))
        {
            make.WaitForExit();
        }

        string link = folder.File("link");
        File.CreateSymbolicLink(link, pipe);
        foreach (string path in (string[])[pipe, link, folder.Path])
        {
            Assert.StartsWith($"{path}: a folder, a device or a pipe", Assert.Throws<UserErrorException>(() => Write(path)).Message, StringComparison.Ordinal);
        }

        Assert.False(RegularFile.Is(pipe));
        Assert.Equal([link, pipe], Directory.EnumerateFiles(folder.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void NamesAreUsedOnce()
    {
        using TemporaryFolder folder = new();
        TensorDeclaration tensor = new("a", ElementFormat.U8, 1);
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(folder.File("x"), [tensor, tensor]));
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(folder.File("x"), [tensor with { Name = "__metadata__" }]));
    }

    private static void Write(string path)
    {
        using SafetensorsWriter writer = new(path, [Small]);
        writer.Append([1, 2, 3, 4]);
        writer.Complete();
    }

    private static unsafe void AssertHolds(string path, TensorDeclaration[] tensors, byte[] data)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(tensors.Length, file.Tensors.Count);
        int at = 0;
        foreach (TensorDeclaration declared in tensors)
        {
            StoredTensor stored = file.Get(declared.Name);
            Assert.Equal(declared.Format, stored.Format);
            Assert.Equal(declared.Shape, stored.Shape.ToArray());
            Assert.True(new ReadOnlySpan<byte>(stored.Data, (int)stored.Bytes).SequenceEqual(data.AsSpan(at, (int)declared.Bytes)));
            at += (int)declared.Bytes;
        }
    }
}
