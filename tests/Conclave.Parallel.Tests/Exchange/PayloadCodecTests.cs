using Conclave.Checkpoints;
using Conclave.Kernels;
using Conclave.Parallel.Exchange;
using Conclave.Primitives;
using Conclave.Testing;
using CsCheck;

namespace Conclave.Parallel.Tests.Exchange;

public sealed unsafe class PayloadCodecTests
{
    public static TheoryData<string> Sets => [.. KernelSet.Supported.ToArray().Select(set => set.Name)];

    [Theory]
    [MemberData(nameof(Sets))]
    public void Fp8RowsAreThoseOfTheReference(string set)
    {
        using SafetensorsFile golden = SafetensorsFile.Open(Repository.Data("formats", "codecs.safetensors"));
        TensorView input = golden.Get("token128.in").View;
        TensorView codes = golden.Get("token128.e4m3").View;
        TensorView scales = golden.Get("token128.scale").View;
        PayloadCodec codec = PayloadCodec.Create(PayloadFormat.E4M3, (int)input.Columns, KernelSet.Find(set).Codec);
        Assert.Equal((int)(input.Columns + (scales.Columns * sizeof(float))), codec.Bytes);
        byte[] row = new byte[codec.Bytes];
        for (nint token = 0; token < input.Rows; token++)
        {
            fixed (byte* destination = row)
            {
                codec.Encode(input.PointerF32(token), destination);
            }

            Assert.Equal([.. scales.Row(token), .. codes.Row(token)], row);
        }
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void RoundedRowsKeepTheStatedBounds(string set) =>
        Gen.Select(Gen.Float[-1, 1].Array[1, 400], Gen.Int[-20, 20]).Sample((values, exponent) =>
        {
            float[] row = Array.ConvertAll(values, value => MathF.ScaleB(value, exponent));
            foreach (PayloadFormat format in Enum.GetValues<PayloadFormat>())
            {
                PayloadCodec codec = PayloadCodec.Create(format, row.Length, KernelSet.Find(set).Codec);
                Assert.Equal(0, codec.Bytes % 4);
                byte[] bytes = [.. Enumerable.Repeat((byte)0xAA, codec.Bytes + 1)];
                float[] read = new float[row.Length];
                fixed (float* source = row, target = read)
                fixed (byte* written = bytes)
                {
                    codec.Encode(source, written);
                    codec.Decode(written, target);
                }

                Assert.Equal(0xAA, bytes[^1]);
                Assert.Equal(PlainLoop.Rounded(row, format), read);
                double[] bounds = Bounds(row, format);
                Assert.All(row, (value, i) => Assert.True(Math.Abs((double)value - read[i]) <= bounds[i], $"{format}: {value} became {read[i]}"));
            }
        });

    /// <summary>What <see cref="PayloadFormat"/> states, and for FP8 the roundings of quotient and product.</summary>
    internal static double[] Bounds(float[] row, PayloadFormat format) => format switch
    {
        PayloadFormat.F32 => new double[row.Length],
        PayloadFormat.BF16 => Array.ConvertAll(row, value => Math.Max(Math.Abs((double)value) / 256, Math.ScaleB(1, -134))),
        _ =>
        [
            .. row.Chunk(Codec.ScaleBlock).SelectMany(block =>
            {
                double scale = block.Max(MathF.Abs) / E4M3.MaxValue;
                return block.Select(value => Math.Max(Math.Abs((double)value) / 16, scale / 1024) * (1 + 1e-5));
            }),
        ],
    };
}
