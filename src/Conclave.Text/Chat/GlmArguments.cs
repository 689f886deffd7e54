using System.Text;
using System.Text.Json;
using Conclave.Text.Grammars;

namespace Conclave.Text.Chat;

/// <summary>
/// GLM's arguments, as JSON. What the schema says is a string is written as one; what it says is an object or an array is passed on as it
/// is. Other values are held back up to their end: if they are JSON of a type that the schema allows (any, if it says nothing), they are
/// passed on as they are, else as strings.
/// </summary>
/// <param name="parameters">The schema of the arguments, if there is one.</param>
internal sealed class GlmArguments(JsonElement? parameters) : ArgumentsReader
{
    private const int MaxHeld = 16_384;

    private Place _place;
    private JsonEnd _end = NewEnd();
    private JsonTypes _types;
    private bool _any;
    private int _scanned;

    private enum Place
    {
        Between,
        String,
        Held,
        Json,
    }

    /// <inheritdoc/>
    public override int Read(ReadOnlySpan<char> text, bool final, StringBuilder json)
    {
        int at = 0;
        while (!IsEnded)
        {
            int consumed = _place == Place.Between ? ReadBetween(text[at..], final, json) : ReadValue(text[at..], final, json);
            if (consumed == 0)
            {
                break;
            }

            at += consumed;
        }

        if (final && !IsEnded)
        {
            // It was cut off: what is known is passed on, what is not closed stays open.
            json.Append(text[at..]);
            at = text.Length;
        }

        return at;
    }

    private int ReadBetween(ReadOnlySpan<char> text, bool final, StringBuilder json)
    {
        int at = 0;
        while (at < text.Length && char.IsWhiteSpace(text[at]))
        {
            at++;
        }

        if (at == text.Length)
        {
            return at;
        }

        Match end = TextScan.StartsWith(text[at..], GlmFormat.CallEnd, final);
        Match key = TextScan.StartsWith(text[at..], GlmFormat.KeyBegin, final);
        if (end == Match.Yes)
        {
            Close(json);
            return at + GlmFormat.CallEnd.Length;
        }

        int before = at;
        int argument = at;
        Match match = end == Match.Undecided || key == Match.Undecided ? Match.Undecided : key == Match.Yes ? ReadKey(text, ref argument, final, json) : Match.No;
        if (match == Match.No)
        {
            // The call is over without its end; what stands here is none of it.
            Close(json);
            return before;
        }

        return match == Match.Yes ? argument : before;
    }

    private Match ReadKey(ReadOnlySpan<char> text, ref int at, bool final, StringBuilder json)
    {
        at += GlmFormat.KeyBegin.Length;
        ReadOnlySpan<char> rest = text[at..];
        int length = rest[..Math.Min(rest.Length, TextScan.MaxName + GlmFormat.KeyEnd.Length)].IndexOf(GlmFormat.KeyEnd);
        if (length < 0)
        {
            return final || rest.Length >= TextScan.MaxName + GlmFormat.KeyEnd.Length ? Match.No : Match.Undecided;
        }

        at += length + GlmFormat.KeyEnd.Length;
        Match value = TextScan.Skip(text, ref at, GlmFormat.ValueBegin, final);
        if (value != Match.Yes)
        {
            return value;
        }

        string key = rest[..length].Trim().ToString();
        json.Append(_any ? ", \"" : "{\"");
        AppendEscaped(key, json);
        json.Append("\": ");
        _any = true;
        _end = NewEnd();
        _types = DeclaredTypes.TypesOf(parameters, key);
        bool structured = _types != JsonTypes.None && (_types & ~(JsonTypes.Object | JsonTypes.Array)) == JsonTypes.None;
        _place = _types == JsonTypes.String ? Place.String : structured ? Place.Json : Place.Held;
        json.Append(_place == Place.String ? "\"" : string.Empty);
        return Match.Yes;
    }

    private int ReadValue(ReadOnlySpan<char> text, bool final, StringBuilder json)
    {
        // Where strings are possible, only what begins like JSON is looked at as JSON.
        bool strings = _place != Place.String && ((_types & JsonTypes.String) == JsonTypes.None || text.TrimStart() is ['{' or '[', ..]);
        (int end, string? marker) = _end.Find(text[_scanned..], final, strings);
        end += _scanned;
        _end.Advance(text[_scanned..end]);
        _scanned = end;
        if (_place == Place.Held)
        {
            if (marker is null && !final && end <= MaxHeld)
            {
                return 0;
            }

            if (end > MaxHeld)
            {
                // Too long to wait for: a text, most likely.
                json.Append('"');
                _place = Place.String;
                _scanned = 0;
                return ReadValue(text, final, json);
            }

            AppendHeld(text[..end], complete: marker is not null, json);
        }
        else if (_place == Place.String)
        {
            AppendEscaped(text[..end], json);
            json.Append(marker is not null ? "\"" : string.Empty);
        }
        else
        {
            json.Append(text[..end]);
        }

        _scanned = 0;
        if (marker is not null)
        {
            _place = Place.Between;
            return end + marker.Length;
        }

        return end;
    }

    private void AppendHeld(ReadOnlySpan<char> text, bool complete, StringBuilder json)
    {
        ReadOnlySpan<char> trimmed = text.Trim();
        if (_types != JsonTypes.None && (_types & JsonTypes.String) == JsonTypes.None)
        {
            // No string is wanted: these can only be meant for what Python calls so.
            trimmed = trimmed is "True" ? "true" : trimmed is "False" ? "false" : trimmed is "None" ? "null" : trimmed;
        }

        JsonTypes type = DeclaredTypes.TypeOfJson(trimmed);
        if (!complete || (type != JsonTypes.None && (_types == JsonTypes.None || (type & _types) != JsonTypes.None)))
        {
            json.Append(trimmed);
            return;
        }

        json.Append('"');
        AppendEscaped(text, json);
        json.Append('"');
    }

    private void Close(StringBuilder json)
    {
        json.Append(_any ? "}" : "{}");
        IsEnded = true;
    }

    private static JsonEnd NewEnd() => new([GlmFormat.ValueEnd], [GlmFormat.KeyBegin, GlmFormat.CallEnd]);

    private static void AppendEscaped(ReadOnlySpan<char> text, StringBuilder json)
    {
        foreach (char c in text)
        {
            int letter = "\b\f\n\r\t\"\\".IndexOf(c);
            _ = letter >= 0 ? json.Append('\\').Append("bfnrt\"\\"[letter])
                : c < ' ' ? json.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)c:x4}")
                : json.Append(c);
        }
    }
}
