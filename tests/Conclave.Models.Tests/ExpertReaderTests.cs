using System.IO.MemoryMappedFiles;
using Conclave.Kernels;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Models.Tests;

public sealed unsafe class ExpertReaderTests : IDisposable
{
    private const int Experts = 8;
    private const int MatrixBytes = 1 << 20;
    private const int ExpertKilobytes = 3 * MatrixBytes / 1024;
    private readonly TemporaryFolder _folder = new();
    private readonly string _file;
    private readonly MemoryMappedFile _mapped;
    private readonly MemoryMappedViewAccessor _view;
    private readonly MlpWeights[] _weights;

    public ExpertReaderTests()
    {
        _file = _folder.Write("experts", new byte[Experts * 3 * MatrixBytes]);
        _mapped = MemoryMappedFile.CreateFromFile(_file, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        _view = _mapped.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        byte* data = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref data);
        TensorView Matrix(int index) => new(data + (index * MatrixBytes), ElementFormat.F8_E4M3, 1024, 1024);
        _weights = [.. Enumerable.Range(0, Experts).Select(e => new MlpWeights(Matrix(3 * e), Matrix((3 * e) + 1), Matrix((3 * e) + 2)))];
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _mapped.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void ChosenExpertsComeIntoMemoryOncePerMatrixAndOthersDoNot()
    {
        // Two tokens share expert 2; one has no second expert, and expert 8 is another rank's.
        ReadAll(layer: 3, [2, -1, 2, 8, 5, 2], last: 7, resident: 3);
        ReadAll(layer: 4, [0, 5], last: 6, resident: 5);
    }

    [Fact]
    public void BothMicroBatchesOfALayerGetTheirExperts()
    {
        using ExpertReader reader = new(Experts + 1);
        for (int expert = 0; expert < Experts; expert++)
        {
            Request(reader, layer: 3, [expert, -1]);
        }

        AwaitResident(Experts);
    }

    /// <summary>
    /// Asks for experts and then for another one. What is asked for is read in turn: when the last one is in memory nothing of the others is left to be begun, and the reader ends what it
    /// has begun.
    /// </summary>
    private void ReadAll(int layer, int[] chosen, int last, int resident)
    {
        using (ExpertReader reader = new(Experts + 1))
        {
            Request(reader, layer, chosen);
            Request(reader, layer, [last, -1]);
            AwaitResident(resident);
        }

        // The system may enter the pages next to those that were asked for: 64 KiB at each end of a matrix.
        Assert.InRange(ProcessMemory.ResidentKilobytes(_file), resident * ExpertKilobytes, resident * (ExpertKilobytes + (6 * 64)));
    }

    private void Request(ExpertReader reader, int layer, int[] chosen)
    {
        float[] weights = new float[chosen.Length];
        fixed (int* experts = chosen)
        fixed (float* w = weights)
        {
            reader.Request(layer, _weights, [.. Enumerable.Range(0, Experts)], new Routing(experts, w, chosen.Length / 2, 2));
        }
    }

    private void AwaitResident(int experts) =>
        Assert.True(SpinWait.SpinUntil(() => ProcessMemory.ResidentKilobytes(_file) >= experts * ExpertKilobytes, TimeSpan.FromSeconds(30)), "the experts were not read");
}
