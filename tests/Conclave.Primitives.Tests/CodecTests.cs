using System.Runtime.InteropServices;
using CsCheck;
using Conclave.Checkpoints;
using Conclave.Testing;

namespace Conclave.Primitives.Tests;

/// <summary>Number formats against the codes that PyTorch and ml_dtypes make of the same numbers (tests/data/formats).</summary>
public sealed class CodecTests : IDisposable
{
    private readonly SafetensorsFile _golden = SafetensorsFile.Open(Repository.Data("formats", "codecs.safetensors"));

    public void Dispose() => _golden.Dispose();

    [Fact]
    public void EveryE4M3CodeDecodesToItsValue()
    {
        ReadOnlySpan<float> expected = Values<float>("e4m3.decode");
        for (int code = 0; code < 256; code++)
        {
            Assert.Equal(BitsOf(expected[code]), BitsOf(E4M3.Decode((byte)code)));
        }
    }

    [Fact]
    public void E4M3EncodesToTheNearestCode() => AssertEncodes<byte>("e4m3.rne_saturate", E4M3.Encode, E4M3.Decode);

    [Fact]
    public void BFloat16EncodesToTheNearestCode() => AssertEncodes<ushort>("bf16.rne", BFloat16.Encode, BFloat16.Decode);

    [Fact]
    public void HalfEncodesToTheNearestCode() =>
        // The reference clipped its input to the largest finite half.
        AssertEncodes<ushort>(
            "f16.rne",
            value => BitConverter.HalfToUInt16Bits((Half)Math.Clamp(value, (float)Half.MinValue, (float)Half.MaxValue)),
            code => (float)BitConverter.UInt16BitsToHalf(code));

    [Fact]
    public unsafe void BlockScaledCodesAreThoseOfTheReference()
    {
        TensorView input = _golden.Get("block128.in").View;
        TensorView codes = _golden.Get("block128.e4m3").View;
        TensorView scales = _golden.Get("block128.scale_inv").View;
        BlockScales blocks = new((float*)scales.Data, scales.Columns, 128, 128);
        for (nint row = 0; row < input.Rows; row++)
        {
            for (nint column = 0; column < input.Columns; column++)
            {
                float scale = blocks.Row(row)[column / 128];
                Assert.Equal(codes.RowPointer(row)[column], E4M3.Encode(input.PointerF32(row)[column] / scale));
            }
        }
    }

    [Fact]
    public void DecodingThenEncodingGivesTheCodeBack()
    {
        for (int code = 0; code < 256; code++)
        {
            // Which of the two NaN codes a NaN becomes is its sign's business; decoding forgets it.
            bool isNaN = (code & 0x7F) == 0x7F;
            Assert.Equal(isNaN ? 0x7F : code, E4M3.Encode(E4M3.Decode((byte)code)) & (isNaN ? 0x7F : 0xFF));
        }
    }

    [Fact]
    public void E4M3RoundsToTheNearestOfAllCodes() =>
        Gen.Float[-500, 500].Sample(value =>
        {
            float nearest = Enumerable.Range(0, 256).Where(code => (code & 0x7F) != 0x7F).Min(code => MathF.Abs(E4M3.Decode((byte)code) - value));
            Assert.Equal(nearest, MathF.Abs(E4M3.Decode(E4M3.Encode(value)) - value));
        });

    private void AssertEncodes<T>(string name, Func<float, T> encode, Func<T, float> decode)
        where T : unmanaged
    {
        ReadOnlySpan<float> input = Values<float>("f32.in");
        ReadOnlySpan<T> expected = Values<T>(name);
        Assert.Equal(input.Length, expected.Length);
        for (int i = 0; i < input.Length; i++)
        {
            T actual = encode(input[i]);
            if (float.IsNaN(input[i]))
            {
                // Which NaN it is differs between libraries.
                Assert.True(float.IsNaN(decode(actual)));
            }
            else
            {
                Assert.True(expected[i].Equals(actual), $"{input[i]:R} became {actual}, expected is {expected[i]}");
            }
        }
    }

    private unsafe ReadOnlySpan<T> Values<T>(string name)
        where T : unmanaged
    {
        StoredTensor tensor = _golden.Get(name);
        return MemoryMarshal.Cast<byte, T>(new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes));
    }

    private static uint BitsOf(float value) => float.IsNaN(value) ? 0x7FC00000 : BitConverter.SingleToUInt32Bits(value);
}
