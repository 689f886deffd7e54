using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using Conclave.Primitives;

namespace Conclave.Cli.Frame;

/// <summary>Options whose value is a number.</summary>
internal static class NumberOptions
{
    /// <summary>
    /// Has a command and its subcommands refuse what is no number in a sentence without the name of a .NET type, and what only a reader of thousands separators takes for one: "0,5" would be 5.
    /// </summary>
    public static void Check(Command command)
    {
        foreach (Option option in command.Options)
        {
            if (Problem(Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType) is { } problem)
            {
                option.Validators.Add(result => Check(result, option.Name, problem));
            }
        }

        foreach (Command subcommand in command.Subcommands)
        {
            Check(subcommand);
        }
    }

    /// <summary>The value of an option that must lie between two others.</summary>
    /// <param name="option">The option's name, for messages.</param>
    /// <param name="value">Its value.</param>
    /// <param name="least">The smallest that is allowed.</param>
    /// <param name="most">The largest.</param>
    /// <param name="why">Ends the sentence that refuses another one; may be null.</param>
    /// <exception cref="UserErrorException">It is another one.</exception>
    public static T InRange<T>(string option, T value, T least, T most, string? why = null)
        where T : IComparable<T> => value.CompareTo(least) >= 0 && value.CompareTo(most) <= 0
            ? value
            : throw new UserErrorException($"{option} {value}: {least} to {most} are expected{(why is null ? "" : $", {why}")}");

    /// <summary>The value of an option that must not be too small.</summary>
    /// <exception cref="UserErrorException">It is.</exception>
    public static int AtLeast(string option, int value, int least) =>
        value >= least ? value : throw new UserErrorException($"{option} {value}: at least {least} is expected");

    /// <summary>The value of an option that must be above 0 and not too large.</summary>
    /// <exception cref="UserErrorException">It is not above 0, or too large.</exception>
    public static double Positive(string option, double value, double most) =>
        value > 0 && value <= most ? value : throw new UserErrorException($"{option} {value}: above 0, at most {most}, is expected");

    /// <summary>Numbers with commas between them.</summary>
    /// <param name="option">The option's name, for messages.</param>
    /// <param name="text">Its value.</param>
    /// <param name="least">The smallest that is allowed.</param>
    /// <param name="most">The largest.</param>
    /// <exception cref="UserErrorException">One of them is no such number, or there is none.</exception>
    public static int[] List(string option, string text, int least, int most = int.MaxValue) =>
        text.Length == 0
            ? throw new UserErrorException($"{option}: the list is empty; numbers with commas between them are expected")
            :
            [
                .. text.Split(',', StringSplitOptions.TrimEntries).Select(part =>
                    int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most
                        ? number
                        : throw new UserErrorException($"{option} {text}: \"{part}\" is no number from {least} {(most == int.MaxValue ? "on" : $"to {most}")}")),
            ];

    private static void Check(OptionResult result, string name, Func<string, string?> problem)
    {
        foreach (Token token in result.Tokens)
        {
            if (problem(token.Value) is { } expected)
            {
                result.AddError($"{name} {token.Value}: {expected}");
            }
        }
    }

    // What says what is expected instead of a text, or null where it is right; null for options that are no numbers.
    private static Func<string, string?>? Problem(Type type) =>
        type == typeof(int) ? text => WholeNumber(text, int.MinValue, int.MaxValue)
        : type == typeof(long) ? text => WholeNumber(text, long.MinValue, long.MaxValue)
        : type == typeof(ulong) ? text => WholeNumber(text, ulong.MinValue, ulong.MaxValue)
        : type == typeof(double) ? Number
        : null;

    private static string? WholeNumber<T>(string text, T least, T most)
        where T : IBinaryInteger<T> =>
            T.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out _) ? null
            : !BigInteger.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out BigInteger whole) ? "a whole number is expected"
            : whole.Sign < 0 ? $"at least {least} is expected"
            : $"at most {most} is expected";

    private static string? Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _) ? null
        : text.Contains(',') ? "a number is expected, with a point before its decimals, such as 0.5"
        : "a number is expected";
}
