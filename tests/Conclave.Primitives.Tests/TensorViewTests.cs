namespace Conclave.Primitives.Tests;

public class TensorViewTests
{
    [Fact]
    public unsafe void SlicesSeeTheSameElements()
    {
        using NativeBuffer buffer = NativeBuffer.ForF32(5, 6, out TensorView view);
        for (int i = 0; i < 30; i++)
        {
            ((float*)buffer.Data)[i] = i;
        }

        TensorView part = view.SliceRows(1, 3).SliceColumns(2, 3);
        Assert.Equal((3, 3, 6, 36), (part.Rows, part.Columns, part.RowStride, part.ByteLength));
        Assert.Equal([14f, 15, 16], part.RowF32(1).ToArray());
        Assert.Equal([20f, 21, 22], part.SliceRows(2, 1).RowF32(0).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => view.SliceRows(3, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => view.SliceColumns(-1, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => view.RowPointer(5));
        Assert.Throws<InvalidOperationException>(() => new TensorView(buffer.Data, ElementFormat.BF16, 1, 2).PointerF32(0));
    }

    [Fact]
    public unsafe void ScalesFollowASliceThatBeginsInsideABlock()
    {
        float[] values = [1, 2, 3, 4, 5, 6];
        fixed (float* scales = values)
        {
            byte* codes = stackalloc byte[50];
            TensorView view = new(codes, ElementFormat.F8_E4M3, 10, 5, scales: new BlockScales(scales, 2, 4, 3));
            TensorView part = view.SliceRows(3, 6);
            Assert.Equal(1, part.Scales.Row(0)[0]);
            Assert.Equal(4, part.Scales.Row(1)[1]);
            Assert.Equal(5, part.SliceRows(1, 5).Scales.Row(4)[0]);
            Assert.Throws<ArgumentOutOfRangeException>(() => view.SliceColumns(0, 3));
        }
    }

    [Fact]
    public unsafe void BuffersAreZeroedAndAlignedAndRefuseUseAfterTheirEnd()
    {
        NativeBuffer buffer = new(1000);
        Assert.Equal(0, (nint)buffer.Data % 64);
        Assert.True(new ReadOnlySpan<byte>(buffer.Data, 1000).IndexOfAnyExcept((byte)0) < 0);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => (nint)buffer.Data);
        Assert.Throws<ArgumentOutOfRangeException>(() => new NativeBuffer(-1));
    }
}
