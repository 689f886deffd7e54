using Conclave.Primitives;
using CsCheck;

namespace Conclave.Kernels.Tests;

public sealed unsafe class CodecTests
{
    public static TheoryData<string> All => Sets.All;

    [Theory]
    [MemberData(nameof(All))]
    public void Every_code_of_every_format_decodes_to_its_value(string set)
    {
        Codec codec = KernelSet.Find(set).Codec;
        float[] values = new float[65536];
        ushort[] codes = [.. Enumerable.Range(0, 65536).Select(i => (ushort)i)];
        byte[] bytes = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        fixed (void* wide = codes, narrow = bytes)
        {
            codec.Decode(new TensorView(wide, ElementFormat.BF16, 1, 65536), 0, values);
            Assert.Equal(codes.Select(code => Bits(BFloat16.Decode(code))), values.Select(Bits));
            codec.Decode(new TensorView(wide, ElementFormat.F16, 1, 65536), 0, values);
            Assert.Equal(codes.Select(code => Bits((float)BitConverter.UInt16BitsToHalf(code))), values.Select(Bits));
            codec.Decode(new TensorView(narrow, ElementFormat.F8_E4M3, 1, 256), 0, values);
            Assert.Equal(bytes.Where(IsNumber).Select(code => Bits(E4M3.Decode(code))), bytes.Where(IsNumber).Select(code => Bits(values[code])));
        }

        static bool IsNumber(byte code) => (code & 0x7F) != 0x7F;
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Rows_of_any_length_decode_with_their_scales_rounded_once(string set)
    {
        Codec codec = KernelSet.Find(set).Codec;
        Gen.Select(Gen.Int[1, 300], Gen.Int[1, 60], Gen.Int[0, 3], Gen.Int).Sample(
            (columns, rows, format, seed) =>
            {
                using Matrix weight = Matrix.Weight(new Random(seed), Sets.WeightFormats[format], rows, columns);
                double[][] exact = weight.Exact();
                float[] row = new float[columns + 1];
                for (int r = 0; r < rows; r++)
                {
                    row[columns] = 7;
                    codec.Decode(weight.View, r, row);
                    Assert.Equal(exact[r].Select(value => (float)value), row[..columns]);
                    Assert.Equal(7, row[columns]);
                }
            },
            iter: 100);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Encoding_rounds_to_nearest_even(string set)
    {
        Codec codec = KernelSet.Find(set).Codec;
        float[] special = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, 0, -0f];
        Gen<float> any = Gen.OneOf(
            Gen.Int.Select(BitConverter.Int32BitsToSingle),
            Gen.Float[-4, 4],
            Gen.Int.Select(i => BitConverter.Int32BitsToSingle((i & ~0xFFFF) | 0x8000)),
            Gen.Int[0, special.Length - 1].Select(i => special[i]));
        any.Array[0, 70].Sample(
            values =>
            {
                ushort* codes = stackalloc ushort[values.Length + 1];
                codes[values.Length] = 0x1234;
                codec.Encode(values, ElementFormat.BF16, (byte*)codes);
                Assert.Equal(values.Select(BFloat16.Encode), new Span<ushort>(codes, values.Length).ToArray());
                codec.Encode(values, ElementFormat.F16, (byte*)codes);
                Assert.Equal(
                    values.Select(value => BitConverter.HalfToUInt16Bits((Half)value)), new Span<ushort>(codes, values.Length).ToArray());
                Assert.Equal(0x1234, codes[values.Length]);
                float* floats = stackalloc float[values.Length];
                codec.Encode(values, ElementFormat.F32, (byte*)floats);
                Assert.Equal(values, new Span<float>(floats, values.Length).ToArray());
            },
            iter: 3000);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Blocks_of_128_are_scaled_and_rounded_to_E4M3(string set)
    {
        Codec codec = KernelSet.Find(set).Codec;
        float[] special = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.Epsilon, 0, -0f];
        Gen<float> any = Gen.Frequency(
            (2, Gen.Int.Select(BitConverter.Int32BitsToSingle)),
            (60, Gen.Float[-4, 4]),
            (30, Gen.Int[-127, 127].Select(i => i / 64f)),
            (20, Gen.Float[-0.001f, 0.001f]),
            (1, Gen.Int[0, special.Length - 1].Select(i => special[i])));
        Gen.OneOf(any.Array[0, 300], Gen.Const(0f).Array[1, 140], Gen.Int[-2000, 2000].Select(i => i * float.Epsilon).Array[1, 140]).Sample(
            values =>
            {
                byte* codes = stackalloc byte[values.Length + 1];
                float* scales = stackalloc float[4];
                codes[values.Length] = 0x55;
                codec.EncodeE4M3(values, codes, scales);
                Assert.Equal(0x55, codes[values.Length]);
                for (int first = 0; first < values.Length; first += Codec.ScaleBlock)
                {
                    float[] block = values[first..Math.Min(first + Codec.ScaleBlock, values.Length)];
                    float scale = block.Select(MathF.Abs).Where(value => !float.IsNaN(value)).DefaultIfEmpty().Max() / E4M3.MaxValue;
                    scale = scale == 0 ? 1 : scale;
                    Assert.Equal(Bits(scale), Bits(scales[first / Codec.ScaleBlock]));
                    for (int k = 0; k < block.Length; k++)
                    {
                        Assert.Equal(IgnoreNanSign(E4M3.Encode(block[k] / scale)), IgnoreNanSign(codes[first + k]));
                    }
                }
            },
            iter: 2000);

        static int IgnoreNanSign(byte code) => (code & 0x7F) == 0x7F ? 0x7F : code;
    }

    [Theory]
    [MemberData(nameof(All))]
    public void What_does_not_fit_is_refused(string set)
    {
        Codec codec = KernelSet.Find(set).Codec;
        using Matrix weight = Matrix.Weight(new Random(1), ElementFormat.BF16, 3, 5);
        Assert.Throws<ArgumentException>(() => codec.Decode(weight.View, 3, new float[5]));
        Assert.Throws<ArgumentException>(() => codec.Decode(weight.View, 0, new float[4]));
        Assert.Throws<ArgumentException>(() => codec.Decode(new TensorView(null, ElementFormat.I32, 1, 1), 0, new float[1]));
        Assert.Throws<ArgumentException>(() => codec.Encode([1f], ElementFormat.F8_E4M3, weight.View.Data));
    }

    private static int Bits(float value) => float.IsNaN(value) ? -1 : BitConverter.SingleToInt32Bits(value);
}
