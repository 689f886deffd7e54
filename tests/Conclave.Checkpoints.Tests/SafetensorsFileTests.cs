using System.Buffers.Binary;
using System.Text;
using Conclave.Primitives;
using Conclave.Testing;

namespace Conclave.Checkpoints.Tests;

public class SafetensorsFileTests
{
    [Theory]
    [InlineData("{\"a\":{\"dtype\":\"F7\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "$.a.dtype: \"F7\"", "F32")]
    [InlineData("{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "$.a.dtype: 3", "a string")]
    [InlineData("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "$.a", "\"dtype\" is missing")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "$.a", "\"shape\" is missing")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "$.a", "\"data_offsets\" is missing")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "$.a.shape[0]: -1", "whole number from 0")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "$.a.shape[0]: 1.5", "whole number")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4, "$.a.shape[0]: 9999", "whole number")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, "$.a.data_offsets", "takes more than")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "$.a.shape", "9 dimensions; at most 8 are expected")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "$.a.data_offsets: [4,0]", "begin ≤ end")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "$.a.data_offsets: [0]", "[begin, end]")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "$.a.data_offsets[0]: -4", "whole number")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "$.a.data_offsets: [0,8]", "4 bytes of data")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "$.a.data_offsets: [0,4] are 4 bytes", "shape [2] of F32 takes 8")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}", 6,
        "\"b\" begins at offset 2", "they overlap")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[5,6]}}", 6,
        "\"b\" begins at offset 5", "belong to no tensor")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 6, "offset 4", "6 bytes are there")]
    [InlineData("{}", 6, "offset 0", "6 bytes are there")]
    [InlineData("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
        "not valid JSON", "Duplicate")]
    [InlineData("{\"__metadata__\":{\"format\":1}}", 0, "$.__metadata__.format: 1", "a string")]
    [InlineData("{\"__metadata__\":[]}", 0, "$.__metadata__: []", "an object")]
    [InlineData("[]", 0, "$: []", "an object")]
    [InlineData("{\"a\":1}", 0, "$.a: 1", "an object")]
    [InlineData("{\"\\ud800\":{}}", 0, "unpaired surrogate", "")]
    [InlineData("{\"a\"", 0, "not valid JSON", "")]
    public void AWrongHeaderIsNamedWithItsPlace(string header, int dataBytes, string place, string expectation)
    {
        string message = OpenError(SafetensorsBytes.File(header, dataBytes));
        Assert.Contains("x.safetensors: ", message);
        Assert.Contains(place, message);
        Assert.Contains(expectation, message);
    }

    [Theory]
    [InlineData(0, "0 bytes")]
    [InlineData(7, "7 bytes")]
    [InlineData(8, "announce a header of")]
    [InlineData(40, "announce a header of")]
    [InlineData(160, "truncated")]
    public void ATruncatedFileIsRefused(int length, string problem)
    {
        byte[] whole = SafetensorsBytes.File(
            $"{{{SafetensorsBytes.Entry("a", "U8", "[64]", 0, 64)},{SafetensorsBytes.Entry("b", "U8", "[1]", 64, 65)}}}", 65);
        Assert.True(whole.Length > 160);
        Assert.Contains(problem, OpenError(whole[..length]));
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(100_000_001UL)]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    public void AnAbsurdHeaderLengthIsRefused(ulong length)
    {
        byte[] bytes = SafetensorsBytes.File("{}", 0);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        string message = OpenError(bytes);
        Assert.Contains($"header of {length} bytes", message);
    }

    [Fact]
    public void WhatGitLfsLeavesInPlaceOfAFileIsNamed()
    {
        string message = OpenError(Encoding.UTF8.GetBytes("version https://git-lfs.github.com/spec/v1\noid sha256:6f7b\nsize 4302350824\n"));
        Assert.EndsWith("x.safetensors: a Git LFS pointer, not the file itself; run 'git lfs pull' in its folder", message);
    }

    [Fact]
    public void InvalidUtf8IsRefused() =>
        Assert.Contains("not valid UTF-8", OpenError(SafetensorsBytes.File([(byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)'}'], [])));

    [Fact]
    public void AMissingFileAndAFolderAreRefused()
    {
        using TemporaryFolder folder = new();
        Assert.Contains("no such file", Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(folder.File("no.safetensors"))).Message);
        Assert.Contains("cannot be read", Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(folder.Path)).Message);
    }

    [Fact]
    public void ScalarsVectorsAndEmptyTensorsAreAllowed()
    {
        using TemporaryFolder folder = new();
        string header = $"{{{SafetensorsBytes.Entry("empty", "F32", "[0, 4611686018427387904]", 0, 0)},"
            + $"{SafetensorsBytes.Entry("scalar", "F32", "[]", 0, 4)},{SafetensorsBytes.Entry("vector", "BF16", "[3]", 4, 10)},"
            + $"{SafetensorsBytes.Entry("cube", "U8", "[2,1,2]", 10, 14)},{SafetensorsBytes.Entry("late", "I64", "[0]", 14, 14)}}}   ";
        using SafetensorsFile file = SafetensorsFile.Open(folder.Write("x.safetensors", SafetensorsBytes.File(header, 14)));

        Assert.Equal((1, 1), (file.Get("scalar").View.Rows, file.Get("scalar").View.Columns));
        Assert.Equal((1, 3), (file.Get("vector").View.Rows, file.Get("vector").View.Columns));
        Assert.Equal(0, file.Get("empty").Bytes);
        Assert.Contains("[2, 1, 2]", Assert.Throws<UserErrorException>(() => file.Get("cube").View).Message);
        Assert.Contains("\"none\"", Assert.Throws<UserErrorException>(() => file.Get("none")).Message);
    }

    [Fact]
    public void AFileWithoutTensorsIsAllowed()
    {
        using TemporaryFolder folder = new();
        using SafetensorsFile file = SafetensorsFile.Open(
            folder.Write("x.safetensors", SafetensorsBytes.File("{\"__metadata__\":{\"format\":\"pt\"}}", 0)));
        Assert.Empty(file.Tensors);
    }

    [Fact]
    public void AClosedFileHandsOutNothing()
    {
        using TemporaryFolder folder = new();
        SafetensorsFile file = SafetensorsFile.Open(
            folder.Write("x.safetensors", SafetensorsBytes.File($"{{{SafetensorsBytes.Entry("a", "U8", "[1]", 0, 1)}}}", 1)));
        StoredTensor tensor = file.Get("a");
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.View);
    }

    private static string OpenError(byte[] bytes)
    {
        using TemporaryFolder folder = new();
        string path = folder.Write("x.safetensors", bytes);
        return Assert.Throws<UserErrorException>(() => SafetensorsFile.Open(path).Dispose()).Message;
    }
}
