namespace Conclave.Text;

/// <summary>The filters by name. The value that is filtered is the first argument.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Func<RenderState, Arguments, Value>> Names = new(StringComparer.Ordinal)
    {
        ["abs"] = NumberFilters.Abs,
        ["attr"] = SequenceFilters.Attr,
        ["batch"] = SequenceFilters.Batch,
        ["capitalize"] = TextFilters.Capitalize,
        ["center"] = TextFilters.Center,
        ["count"] = SequenceFilters.Length,
        ["d"] = SequenceFilters.Default,
        ["default"] = SequenceFilters.Default,
        ["dictsort"] = OrderFilters.DictSort,
        ["e"] = TextFilters.Escape,
        ["escape"] = TextFilters.Escape,
        ["filesizeformat"] = NumberFilters.FileSize,
        ["first"] = SequenceFilters.First,
        ["float"] = NumberFilters.Float,
        ["forceescape"] = TextFilters.ForceEscape,
        ["format"] = TextFilters.Format,
        ["groupby"] = OrderFilters.GroupBy,
        ["indent"] = TextFilters.Indent,
        ["int"] = NumberFilters.Int,
        ["items"] = SequenceFilters.Items,
        ["join"] = SequenceFilters.Join,
        ["last"] = SequenceFilters.Last,
        ["length"] = SequenceFilters.Length,
        ["list"] = SequenceFilters.List,
        ["lower"] = TextFilters.Lower,
        ["map"] = SelectionFilters.Map,
        ["max"] = OrderFilters.Max,
        ["min"] = OrderFilters.Min,
        ["pprint"] = Refuse("pprint"),
        ["random"] = Refuse("random"),
        ["reject"] = SelectionFilters.Reject,
        ["rejectattr"] = SelectionFilters.RejectAttr,
        ["replace"] = TextFilters.Replace,
        ["reverse"] = SequenceFilters.Reverse,
        ["round"] = NumberFilters.Round,
        ["safe"] = TextFilters.Safe,
        ["select"] = SelectionFilters.Select,
        ["selectattr"] = SelectionFilters.SelectAttr,
        ["slice"] = SequenceFilters.Slice,
        ["sort"] = OrderFilters.Sort,
        ["string"] = TextFilters.String,
        ["striptags"] = TextFilters.StripTags,
        ["sum"] = NumberFilters.Sum,
        ["title"] = TextFilters.Title,
        ["tojson"] = JsonText.Filter,
        ["trim"] = TextFilters.Trim,
        ["truncate"] = TextFilters.Truncate,
        ["unique"] = OrderFilters.Unique,
        ["upper"] = TextFilters.Upper,
        ["urlencode"] = TextFilters.UrlEncode,
        ["urlize"] = Refuse("urlize"),
        ["wordcount"] = TextFilters.WordCount,
        ["wordwrap"] = WordWrap.Filter,
        ["xmlattr"] = TextFilters.XmlAttributes,
    };

    public static bool Exists(string name) => Names.ContainsKey(name);

    public static Func<RenderState, Arguments, Value>? Find(string name) => Names.GetValueOrDefault(name);

    // These exist in Jinja, but a prompt that depends on chance, or on how Python lays out debug output, is a mistake.
    private static Func<RenderState, Arguments, Value> Refuse(string name) => (_, _) =>
        throw new TemplateException(TemplateErrorKind.SecurityError, $"the filter '{name}' is not available to chat templates");
}
