namespace Conclave.Bench.Placements;

/// <summary>What fable can be asked for.</summary>
internal static class Prompts
{
    private static readonly string[] Heroes =
    [
        "fox", "princess", "giant", "wolf", "goose", "miller", "tailor", "king", "witch", "bear", "frog", "soldier", "fisherman", "dragon", "mouse",
        "cat", "raven", "shepherd", "queen", "dwarf", "hunter", "swan", "donkey", "sailor", "merchant", "rose", "star", "well",
        "golden bird", "old woman", "little boy", "little girl", "poor man", "thief",
    ];

    private static readonly string[] Titles =
    [
        "春夜", "江上", "秋思", "送友人", "山居", "早梅", "月夜", "塞下曲", "登楼", "寒食", "柳", "雪", "夜雨", "渔父", "古寺", "落花", "望海",
        "闻笛", "客舍", "秋风", "宫词", "边城", "题竹", "春望",
        "别离", "晚泊", "溪上", "怀古", "听琴", "采莲", "中秋", "早行", "松", "归燕",
    ];

    /// <summary>An English story.</summary>
    public static string Story(Random random)
    {
        string hero = Heroes[random.Next(Heroes.Length)];
        string other = Heroes[random.Next(Heroes.Length)];
        return random.Next(2) == 0 ? $"Tell me a story about a {hero}." : $"Tell me a fairy tale about a {hero} and a {other}.";
    }

    /// <summary>A Chinese poem.</summary>
    public static string Poem(Random random)
    {
        string title = Titles[random.Next(Titles.Length)];
        return random.Next(2) == 0 ? $"写一首题为《{title}》的诗。" : $"请以《{title}》为题写一首七言绝句。";
    }
}
