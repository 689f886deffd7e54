using System.Text;
using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>Reads what a schema says about values of one type.</summary>
internal sealed class SchemaTypes(SchemaReader reader, SchemaLimits limits, GrammarBudget budget)
{
    private const int MaxItems = 5_000;
    private const int MaxLength = 100_000;
    private const decimal MaxBound = 1e19m;

    // Integers have 64 bits, and other numbers with bounds no exponent: where a bound allows more than this, this is what it allows.
    private const decimal Beyond64Bits = 9223372036854775809m;

    // More than any number that is written, with an exponent too.
    private const double BeyondNumbers = 1e298;

    private static readonly Dictionary<string, Lazy<GrammarNode>> Formats = StringFormats.All.ToDictionary(
        static format => format.Key,
        static format => new Lazy<GrammarNode>(() => JsonGrammar.Rule(format.Key, RegularParts.JsonString(EcmaPatternReader.ReadWhole(format.Value), new GrammarBudget()))),
        StringComparer.Ordinal);

    // Equal patterns and ranges are compiled once.
    private readonly Dictionary<string, GrammarNode> _rules = new(StringComparer.Ordinal);

    public GrammarNode Read(JsonTypes type, Dictionary<string, JsonElement> keywords, string path, int depth) => type switch
    {
        JsonTypes.String => ReadString(keywords, path),
        JsonTypes.Numbers => ReadNumber(keywords, path, integer: false),
        JsonTypes.Integer => ReadNumber(keywords, path, integer: true),
        JsonTypes.Boolean => JsonGrammar.Boolean,
        JsonTypes.Null => JsonGrammar.Null,
        JsonTypes.Array => ReadArray(keywords, path, depth),
        JsonTypes.Object => ReadObject(keywords, path, depth),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "what one name of a type stands for is expected"),
    };

    /// <summary>Whether this is a format that is not read. By JSON Schema it is an annotation.</summary>
    public static bool IsUnknownFormat(string keyword, JsonElement value) =>
        keyword == "format" && value.ValueKind == JsonValueKind.String && !Formats.ContainsKey(value.GetString()!);

    /// <summary>The properties that an object's schema declares, and those that it requires besides; the latter are JSON.</summary>
    public List<(string Name, GrammarNode Value, bool Required)> ReadProperties(
        Dictionary<string, JsonElement> keywords, string path, int depth, Func<JsonElement, string, GrammarNode> read)
    {
        bool declared = keywords.TryGetValue("properties", out JsonElement properties);
        if (declared && properties.ValueKind != JsonValueKind.Object)
        {
            throw SchemaReader.Error(path + ".properties", $"an object is expected, not {SchemaReader.Describe(properties)}");
        }

        HashSet<string> required = Required(keywords, path);
        HashSet<string> names = new(StringComparer.Ordinal);
        List<(string Name, GrammarNode Value, bool Required)> result = [];
        foreach (JsonProperty property in declared ? properties.EnumerateObject() : (IEnumerable<JsonProperty>)[])
        {
            string place = $"{path}.properties.{property.Name}";
            limits.AddProperty(property.Name, place);
            if (!names.Add(property.Name))
            {
                throw SchemaReader.Error(place, "a property that is declared twice");
            }

            if (property.Value.ValueKind != JsonValueKind.False)
            {
                result.Add((property.Name, read(property.Value, place), required.Contains(property.Name)));
            }
            else if (required.Contains(property.Name))
            {
                throw SchemaReader.Error(place, "a property that is required and whose schema, false, allows no value");
            }
        }

        required.ExceptWith(names);
        if (required.Count > 0)
        {
            GrammarNode value = ReadRequired(keywords, path, depth, required.First());
            foreach (string name in required)
            {
                limits.AddProperty(name, path + ".required");
                result.Add((name, value, true));
            }
        }

        return result;
    }

    // The value of each property that is required and not declared.
    private GrammarNode ReadRequired(Dictionary<string, JsonElement> keywords, string path, int depth, string name) =>
        !keywords.TryGetValue("additionalProperties", out JsonElement additional) ? JsonGrammar.Value
        : additional.ValueKind == JsonValueKind.False ? throw SchemaReader.Error(path + ".required", $"\"{name}\" is not declared in \"properties\", and \"additionalProperties\" is false")
        : OnceFor(path + ".additionalProperties", reader.Read(additional, path + ".additionalProperties", depth + 1));

    // What is there many times is small as calls of one rule.
    private static GrammarNode.Call OnceFor(string path, GrammarNode node) => new(new GrammarRule(path) { Body = node });

    /// <summary>A string that is written as it is.</summary>
    /// <param name="keywords">What the schema says.</param>
    /// <param name="path">Where.</param>
    /// <param name="end">What does not occur in it.</param>
    /// <param name="mixed">Other types are possible: the string does not look like a value of one.</param>
    public GrammarNode ReadText(Dictionary<string, JsonElement> keywords, string path, string end, bool mixed)
    {
        string? pattern = Text(keywords, "pattern", path);
        string? format = Format(keywords, path);
        if (mixed && (pattern ?? format) is not null)
        {
            throw SchemaReader.Error(path, "\"pattern\" or \"format\" of strings beside other types is not supported by the way in which this model calls tools");
        }

        // What is not supported is refused in the same words everywhere.
        _ = ReadString(keywords, path);
        (int min, int max) = Bounds(keywords, "minLength", "maxLength", path);
        if (LimitedUri(pattern, format, min, max) is { } uri)
        {
            return uri;
        }

        string key = Key($"text {mixed} {min} {max} {format} {pattern}");
        return Rule(path, key, () =>
        {
            ByteDfa content = pattern is null && format is null
                ? RegularParts.Raw(mixed ? @"([^\-0-9\[{""\s][^]*)?" : "[^]*", budget)
                : Content(pattern, format, RegularParts.Raw);
            ByteDfa automaton = RegularParts.Without(content, Encoding.UTF8.GetBytes(end), budget);
            return min > 0 || max >= 0 ? RegularParts.OfLength(automaton, json: false, min, max, budget) : automaton;
        });
    }

    private GrammarNode ReadString(Dictionary<string, JsonElement> keywords, string path)
    {
        string? pattern = Text(keywords, "pattern", path);
        string? format = Format(keywords, path);
        (int min, int max) = Bounds(keywords, "minLength", "maxLength", path);
        if (LimitedUri(pattern, format, min, max) is { } uri)
        {
            return new GrammarNode.Sequence(JsonGrammar.Text("\""), uri, JsonGrammar.Text("\""));
        }

        bool counted = min > 0 || max >= 0;
        if (pattern is null && (format is null || !counted))
        {
            return format is not null ? Formats[format].Value
                : counted ? Rule(path, Key($"length {min} {max}"), () => JsonGrammar.StringOf(min, max))
                : JsonGrammar.String;
        }

        string place = pattern is null ? path : path + ".pattern";
        limits.AddText(pattern ?? "", place);
        return Rule(place, Key($"string {min} {max} {format} {pattern}"), () =>
        {
            ByteDfa automaton = Content(pattern, format, RegularParts.JsonString);
            return counted ? RegularParts.OfLength(automaton, json: true, min, max, budget) : automaton;
        });
    }

    // Strings of a pattern, of a format, or of both; one of them is there.
    private ByteDfa Content(string? pattern, string? format, Func<RegularNode, GrammarBudget, ByteDfa> compile)
    {
        ByteDfa? formatted = format is null ? null : compile(EcmaPatternReader.ReadWhole(StringFormats.All[format]), budget);
        ByteDfa? matching = pattern is null ? null : compile(EcmaPatternReader.Read(pattern), budget);
        return formatted is null ? matching! : matching is null ? formatted : RegularParts.Both(formatted, matching, budget);
    }

    // Every URI has more characters than the one that pydantic's HttpUrl asks for at least.
    private static GrammarNode? LimitedUri(string? pattern, string? format, int min, int max) =>
        format == "uri" && pattern is null && min <= 1 && max >= 0 ? StringFormats.Uri(max) : null;

    private GrammarNode ReadNumber(Dictionary<string, JsonElement> keywords, string path, bool integer)
    {
        (decimal Value, bool Excluded)? minimum = Tighter(Bound(keywords, "minimum", path, -1), Bound(keywords, "exclusiveMinimum", path, -1), 1);
        (decimal Value, bool Excluded)? maximum = Tighter(Bound(keywords, "maximum", path, 1), Bound(keywords, "exclusiveMaximum", path, 1), -1);
        decimal? multipleOf = Number(keywords, "multipleOf", path);
        if (!integer && minimum is null && maximum is null && multipleOf is null)
        {
            return JsonGrammar.Number;
        }

        return Rule(path, Key($"number {integer} {minimum} {maximum} {multipleOf}"), () => NumberRange.Compile(integer, minimum, maximum, multipleOf, budget));
    }

    // A bound, from which the sign leads to what it does not allow; null where no number that is written lies there.
    private static decimal? Bound(Dictionary<string, JsonElement> keywords, string keyword, string path, int sign) =>
        !keywords.TryGetValue(keyword, out JsonElement value) || value.ValueKind != JsonValueKind.Number || sign * value.GetDouble() < (double)MaxBound ? Number(keywords, keyword, path)
        : sign * value.GetDouble() < BeyondNumbers ? sign * Beyond64Bits
        : null;

    private static (decimal Value, bool Excluded)? Tighter(decimal? included, decimal? excluded, int sign) =>
        excluded is { } limit && (included is not { } other || sign * limit >= sign * other) ? (limit, true)
        : included is { } bound ? (bound, false)
        : null;

    private GrammarNode ReadArray(Dictionary<string, JsonElement> keywords, string path, int depth)
    {
        (int min, int max) = Bounds(keywords, "minItems", "maxItems", path);
        if (keywords.TryGetValue("prefixItems", out JsonElement prefix))
        {
            return ReadTuple(keywords, prefix, min, max, path, depth);
        }

        GrammarNode item = keywords.TryGetValue("items", out JsonElement schema) ? reader.Read(schema, path + ".items", depth + 1) : JsonGrammar.Value;

        // Counted items are written out.
        return JsonGrammar.Array(min > 1 || max > 1 ? OnceFor(path + ".items", item) : item, min, max);
    }

    // All items are written: that fewer are valid too, where the schema does not say how many, is what nobody means.
    private GrammarNode ReadTuple(Dictionary<string, JsonElement> keywords, JsonElement prefix, int min, int max, string path, int depth)
    {
        (JsonElement Schema, string Path)[] items = [.. SchemaReader.Branches(prefix, path + ".prefixItems")];
        int most = max < 0 ? items.Length : Math.Min(max, items.Length);
        if (min > most)
        {
            throw SchemaReader.Error(path + ".minItems", $"more items than the {items.Length} of \"prefixItems\" are not supported");
        }

        if (keywords.TryGetValue("items", out JsonElement others) && others.ValueKind != JsonValueKind.False && (max < 0 || max > most))
        {
            throw SchemaReader.Error(path + ".items", "items behind those of \"prefixItems\" are not supported; \"items\": false is");
        }

        return JsonGrammar.Tuple([.. items.Take(most).Select(item => reader.Read(item.Schema, item.Path, depth + 1))]);
    }

    private GrammarNode ReadObject(Dictionary<string, JsonElement> keywords, string path, int depth)
    {
        List<(string Name, GrammarNode Value, bool Required)> properties = ReadProperties(keywords, path, depth, (value, place) => reader.Read(value, place, depth + 1));
        GrammarNode.Member[] members =
        [
            .. properties.Select(static property => new GrammarNode.Member(
                new GrammarNode.Sequence(JsonGrammar.Text(JsonConstants.Quote(property.Name)), JsonGrammar.Colon, property.Value), property.Required))
        ];
        bool declared = keywords.TryGetValue("properties", out JsonElement all);
        HashSet<string> names = new(declared ? all.EnumerateObject().Select(static property => property.Name) : [], StringComparer.Ordinal);
        names.UnionWith(properties.Select(static property => property.Name));
        return JsonGrammar.Object(members, Rest(keywords, names, declared, path, depth));
    }

    // Where properties are declared and nothing is said about others, there are none: what is generated is valid either way.
    private GrammarNode.Sequence? Rest(Dictionary<string, JsonElement> keywords, HashSet<string> names, bool declared, string path, int depth)
    {
        bool said = keywords.TryGetValue("additionalProperties", out JsonElement additional);
        if (said ? additional.ValueKind == JsonValueKind.False : declared)
        {
            return null;
        }

        path += ".additionalProperties";
        GrammarNode value = said ? reader.Read(additional, path, depth + 1) : JsonGrammar.Value;
        GrammarNode name = names.Count == 0
            ? JsonGrammar.String
            : Rule(path, "except " + string.Join(',', names.Select(JsonConstants.Quote)), () => RegularParts.JsonStringExcept(names, budget));
        return new GrammarNode.Sequence(name, JsonGrammar.Colon, value);
    }

    private static HashSet<string> Required(Dictionary<string, JsonElement> keywords, string path)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        if (!keywords.TryGetValue("required", out JsonElement required))
        {
            return names;
        }

        if (required.ValueKind != JsonValueKind.Array || required.EnumerateArray().Any(static name => name.ValueKind != JsonValueKind.String))
        {
            throw SchemaReader.Error(path + ".required", $"an array of names is expected, not {SchemaReader.Describe(required)}");
        }

        names.UnionWith(required.EnumerateArray().Select(static name => name.GetString()!));
        return names;
    }

    private GrammarNode Rule(string path, string key, Func<ByteDfa> compile) =>
        Rule(path, key, () => compile() is { IsEmpty: false } automaton ? JsonGrammar.Rule(path, automaton) : throw new UserErrorException("no text matches it"));

    private GrammarNode Rule(string path, string key, Func<GrammarNode> make)
    {
        if (!_rules.TryGetValue(key, out GrammarNode? rule))
        {
            try
            {
                rule = make();
            }
            catch (UserErrorException e)
            {
                throw new UserErrorException(SchemaReader.Error(path, e.Message).Message, e);
            }

            _rules.Add(key, rule);
        }

        return rule;
    }

    private static string? Format(Dictionary<string, JsonElement> keywords, string path) =>
        Text(keywords, "format", path) is { } format && Formats.ContainsKey(format) ? format : null;

    private static string Key(FormattableString parts) => FormattableString.Invariant(parts);

    private static string? Text(Dictionary<string, JsonElement> keywords, string keyword, string path) =>
        !keywords.TryGetValue(keyword, out JsonElement value) ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw SchemaReader.Error($"{path}.{keyword}", $"a string is expected, not {SchemaReader.Describe(value)}");

    // How many; -1 for no upper limit. A longer limit on strings is cut: what is shorter is valid too.
    private static (int Min, int Max) Bounds(Dictionary<string, JsonElement> keywords, string minimum, string maximum, string path)
    {
        bool items = minimum == "minItems";
        int most = items ? MaxItems : MaxLength;
        int min = Read(minimum, int.MaxValue) ?? 0;
        int max = Read(maximum, most) ?? -1;
        return min > most ? throw SchemaReader.Error($"{path}.{minimum}", $"a whole number from 0 to {most} is expected, not {min}")
            : max >= 0 && max < min ? throw SchemaReader.Error($"{path}.{maximum}", $"{max} is less than {minimum}, {min}")
            : (min, max);

        int? Read(string keyword, int limit) =>
            !keywords.TryGetValue(keyword, out JsonElement value) ? null
            : value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal count) && count >= 0 && decimal.IsInteger(count) && (!items || count <= most)
                ? (int)Math.Min(count, limit)
                : throw SchemaReader.Error($"{path}.{keyword}", $"a whole number from 0 {(items ? $"to {most} " : "")}is expected, not {SchemaReader.Describe(value)}");
    }

    // What a decimal rounds would move the bound.
    private static decimal? Number(Dictionary<string, JsonElement> keywords, string keyword, string path) =>
        !keywords.TryGetValue(keyword, out JsonElement value) ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal number) && Math.Abs(number) <= MaxBound && (double)number == value.GetDouble() ? number
        : throw SchemaReader.Error($"{path}.{keyword}", $"a number from -1e19 to 1e19 of at most 28 digits is expected, not {SchemaReader.Describe(value)}");
}
