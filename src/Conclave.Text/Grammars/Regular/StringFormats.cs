namespace Conclave.Text.Grammars;

/// <summary>JSON Schema's formats of strings, as expressions for the whole text.</summary>
internal static class StringFormats
{
    private const string Time = @"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,7})?(Z|[+\-](0\d|1[0-3]):[0-5]\d)";
    private const string MonthAndDay = @"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))";
    private const string LeapYear = @"([1-9]\d(0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)";

    // Years before 1000 are valid but trip up readers that know time zones (the year 1 begins in the year 0 elsewhere).
    private const string Date = @"([1-9]\d{3}-" + MonthAndDay + "|" + LeapYear + "-02-29)";

    private const string DurationTime = @"T(\d{1,9}H(\d{1,9}M(\d{1,9}S)?)?|\d{1,9}M(\d{1,9}S)?|\d{1,9}S)";
    private const string DurationDate = @"(\d{1,9}Y(\d{1,9}M(\d{1,9}D)?)?|\d{1,9}M(\d{1,9}D)?|\d{1,9}D)";
    private const string Label = @"[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?";
    private const string HostName = Label + @"(\." + Label + ")*";
    private const string TopLabel = @"[A-Za-z]([A-Za-z0-9\-]{0,61}[A-Za-z])?";
    private const string Atom = @"[A-Za-z0-9!#$%&'*+/=?\^_`{|}~\-]";

    // At most 64 characters: the more dots, the shorter what is between them.
    private const string Mailbox = "(" + Atom + "{1,64}|" + Atom + @"{1,32}\." + Atom + "{1,31}|" + Atom + @"{1,16}(\." + Atom + "{1,15}){2,3})";
    private const string Octet = @"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)";
    private const string Hex = "[0-9a-fA-F]";
    private const string Group = Hex + "{1,4}";
    private const string UriCharacter = @"([A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%" + Hex + "{2})";
    private const string UriHostPart = @"([A-Za-z0-9]|[\-.][A-Za-z0-9]|--[A-Za-z0-9])";
    private const string UriPort = @"(:([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}))?";
    private const int ShortestLimitOfUri = 150;

    private static readonly GrammarRule OneUriCharacter = new("a character of a URI") { Body = new GrammarNode.Regular(RegularParts.Raw(UriCharacter)) };
    private static readonly GrammarRule OneUriHostPart = new("a part of a host") { Body = new GrammarNode.Regular(RegularParts.Raw(UriHostPart)) };

    /// <summary>
    /// RFC 3339 (date, time, date-time; no leap seconds, up to 7 digits of a second), RFC 3339 appendix A (duration), RFC 5321's dot-atoms
    /// at a host with a dot (email), RFC 1123 (hostname), RFC 2673 (ipv4), RFC 4291 without embedded IPv4 (ipv6), RFC 4122 (uuid), RFC 3986 with a named host or
    /// <c>file:///</c> (uri).
    /// </summary>
    public static IReadOnlyDictionary<string, string> All { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = Date + "T" + Time,
        ["duration"] = "P(" + DurationDate + "(" + DurationTime + ")?|" + DurationTime + @"|\d{1,9}W)",
        ["email"] = Mailbox + "@(" + Label + @"\.)+" + TopLabel,
        ["hostname"] = HostName,
        ["ipv4"] = Octet + @"(\." + Octet + "){3}",
        ["ipv6"] = IPv6(),
        ["uri"] = $"([A-Za-z][A-Za-z0-9+.\\-]+://[A-Za-z0-9]{UriHostPart}*{UriPort}([/?]{UriCharacter}*)?|file:///{UriCharacter}*)(#{UriCharacter}*)?",
        ["uuid"] = $"{Hex}{{8}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{12}}",
    };

    /// <summary>
    /// A URI of at most so many characters, whose parts are counted as calls: as one regular part with a count it would have far too many states. Null where the limit is so low that it
    /// would leave out too much, and such a part is small enough.
    /// </summary>
    public static GrammarNode? Uri(int most)
    {
        if (most < ShortestLimitOfUri)
        {
            return null;
        }

        // A part of the host has up to three characters, and so has one that is escaped.
        const int Fixed = 16 + 3 + 1 + 6 + 2;
        int parts = (most - Fixed) / 3;
        int host = Math.Min(parts / 2, 80);
        int rest = parts - host;
        int fragment = rest / 6;
        GrammarNode path = Counted(OneUriCharacter, rest - fragment);
        return new GrammarNode.Sequence(
            new GrammarNode.Choice(
                new GrammarNode.Sequence(
                    new GrammarNode.Regular(RegularParts.Raw(@"[A-Za-z][A-Za-z0-9+.\-]{1,15}://[A-Za-z0-9]")),
                    Counted(OneUriHostPart, host),
                    new GrammarNode.Regular(RegularParts.Raw(UriPort)),
                    Optional(new GrammarNode.Sequence(new GrammarNode.Regular(RegularParts.Raw("[/?]")), path))),
                new GrammarNode.Sequence(JsonGrammar.Text("file:///"), path)),
            Optional(new GrammarNode.Sequence(JsonGrammar.Text("#"), Counted(OneUriCharacter, fragment))));

        static GrammarNode Counted(GrammarRule item, int max) => new GrammarNode.Counted(item, 0, max);

        static GrammarNode Optional(GrammarNode node) => new GrammarNode.Choice(new GrammarNode.Sequence(), node);
    }

    // Eight groups, or fewer with one "::" in any place, that stands for at least one group of zeros.
    private static string IPv6()
    {
        List<string> forms = [$"({Group}:){{7}}{Group}", "::"];
        for (int before = 0; before <= 7; before++)
        {
            string head = before == 0 ? ":" : $"({Group}:){{{before}}}";
            int after = 7 - before;
            forms.Add(after == 0 ? head + ":" : $"{head}(:{Group}){{1,{after}}}");
            if (before > 0)
            {
                forms.Add(head + ":");
            }
        }

        return string.Join('|', forms);
    }
}
