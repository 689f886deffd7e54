using System.Text;
using System.Text.Json;
using Conclave.Testing;

namespace Conclave.Primitives.Tests;

public class JsonCursorTests
{
    [Fact]
    public void ValuesAreReadWithTheirPaths()
    {
        JsonCursor root = Parse("""{"a": {"b": [1, 2.5, "x", true, null]}, "n": null}""");
        JsonCursor[] items = [.. root.Required("a").Required("b").Items()];
        Assert.Equal(1, items[0].Int32(0, 1));
        Assert.Equal(1L, items[0].Int64(1, long.MaxValue));
        Assert.Equal(2.5, items[1].Double(0, 3));
        Assert.Equal("x", items[2].String());
        Assert.True(items[3].Boolean());
        Assert.Equal(JsonValueKind.Null, items[4].Kind);
        Assert.Null(root.Optional("n"));
        Assert.Null(root.Optional("absent"));
        Assert.True(root.Has("n"));
        Assert.False(root.Has("absent"));
        Assert.Equal(["a", "n"], root.Members().Select(member => member.Name));
        Assert.Equal("f.json: $.a.b[1]: too odd", items[1].Error("too odd").Message);
    }

    [Theory]
    [InlineData("1.0", 1)]
    [InlineData("1e3", 1000)]
    [InlineData("-2147483648", int.MinValue)]
    public void WholeNumbersMayBeWrittenAsFractions(string text, int expected) =>
        Assert.Equal(expected, Parse(text).Int32(int.MinValue, int.MaxValue));

    [Theory]
    [InlineData("1.5")]
    [InlineData("11")]
    [InlineData("-1")]
    [InlineData("1e400")]
    [InlineData("\"1\"")]
    [InlineData("null")]
    [InlineData("99999999999999999999999999")]
    public void OtherNumbersAreRefusedWithValueAndBounds(string text)
    {
        foreach (Action<JsonCursor> read in (Action<JsonCursor>[])[cursor => cursor.Int32(0, 10), cursor => cursor.Int64(0, 10)])
        {
            Assert.Equal($"f.json: $: {text}; a whole number from 0 to 10 is expected", Error(text, read));
        }
    }

    [Fact]
    public void NumbersOutsideTheirBoundsAreRefused() =>
        Assert.Equal("f.json: $: 1.5; a number from 0 to 1 is expected", Error("1.5", cursor => cursor.Double(0, 1)));

    [Fact]
    public void OtherKindsAreRefused()
    {
        Assert.Equal("f.json: $: 1; a string is expected", Error("1", cursor => cursor.String()));
        Assert.Equal("f.json: $: 1; true or false is expected", Error("1", cursor => cursor.Boolean()));
        Assert.Equal("f.json: $: 1; an object is expected", Error("1", cursor => cursor.Optional("a")));
        Assert.Equal("f.json: $: 1; an object is expected", Error("1", cursor => cursor.Has("a")));
        Assert.Equal("f.json: $: 1; an object is expected", Error("1", cursor => _ = cursor.Members().Count()));
        Assert.Equal("f.json: $: {}; an array is expected", Error("{}", cursor => _ = cursor.Items().Count()));
        Assert.Equal("f.json: $: \"a\" is null; a value is expected", Error("{\"a\": null}", cursor => cursor.Required("a")));
        Assert.Equal("f.json: $: \"a\" is missing; it is expected here", Error("{}", cursor => cursor.Required("a")));
    }

    [Fact]
    public void LongValuesAreCutInMessages()
    {
        string message = Error($"\"{new string('x', 1000)}\"", cursor => cursor.Boolean());
        Assert.Contains("xxx…; true or false", message);
        Assert.True(message.Length < 150);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{\"a\": 1,}")]
    [InlineData("{\"a\": 1, \"a\": 2}")]
    [InlineData("{\"a\": 1} x")]
    [InlineData("// comment\n1")]
    [InlineData("NaN")]
    public void WhatIsNotJsonIsRefused(string text) => Assert.StartsWith("f.json: not valid JSON: ", Error(text, _ => { }));

    [Fact]
    public void DepthIsLimited() => Assert.StartsWith("f.json: not valid JSON: ", Error(new string('[', 1_000_000), _ => { }));

    [Theory]
    [InlineData("{\"\\ud800\": 1}")]
    [InlineData("{\"a\": {\"\\udc00x\": 1}}")]
    public void KeysWithUnpairedSurrogatesAreRefused(string text) => Assert.Contains("unpaired surrogate", Error(text, _ => { }));

    [Fact]
    public void TextsWithUnpairedSurrogatesAreRefused() =>
        Assert.Contains("unpaired surrogate", Error("\"\\ud800\"", cursor => cursor.String()));

    [Fact]
    public void InvalidUtf8IsRefusedAndAMarkIsSkipped()
    {
        Assert.Equal(
            "f.json: not valid UTF-8 at byte 1",
            Assert.Throws<UserErrorException>(() => JsonCursor.Parse("f.json", new byte[] { (byte)'"', 0xC0, (byte)'"' })).Message);
        Assert.Equal(5, JsonCursor.Parse("f.json", new byte[] { 0xEF, 0xBB, 0xBF, (byte)'5' }).Int32(0, 9));
    }

    [Fact]
    public void FilesAreReadUpToALimit()
    {
        using TemporaryFolder folder = new();
        string file = folder.Write("x.json", "[1, 2]");
        Assert.Equal(2, JsonCursor.ReadFile(file).Items().Count());
        Assert.Contains("6 bytes", Assert.Throws<UserErrorException>(() => JsonCursor.ReadFile(file, maxBytes: 5)).Message);
        Assert.Contains("no such file", Assert.Throws<UserErrorException>(() => JsonCursor.ReadFile(folder.File("y.json"))).Message);
    }

    private static JsonCursor Parse(string text) => JsonCursor.Parse("f.json", Encoding.UTF8.GetBytes(text));

    private static string Error(string text, Action<JsonCursor> read) =>
        Assert.Throws<UserErrorException>(() => read(Parse(text))).Message;
}
