using System.Globalization;
using Conclave.Primitives;

namespace Conclave.Text.Grammars;

/// <summary>
/// JSON numbers between bounds, as an automaton that compares digit by digit. Integers have at most 64 bits; other numbers at most 15
/// digits and no exponent, so that two different ones are two different doubles.
/// </summary>
internal sealed class NumberRange
{
    private const int MaxDigits = 15;
    private const int MaxMultiple = 10_000;

    private readonly GrammarBudget _budget;
    private readonly ByteNfa _nfa;
    private readonly bool _integer;
    private readonly int _modulus = 1;
    private readonly int _scale = MaxDigits;

    private NumberRange(bool integer, decimal? multipleOf, GrammarBudget budget)
    {
        _budget = budget;
        _nfa = new ByteNfa(budget, json: false);
        _integer = integer;
        if (multipleOf is not { } step)
        {
            return;
        }

        _scale = FractionOf(step).Length;
        for (int i = 0; i < _scale; i++)
        {
            step *= 10;
        }

        // An integer that is a multiple of 2.5 is one of 5: both conditions hold for numbers without a fraction.
        _modulus = step is > 0 and <= MaxMultiple
            ? (int)step
            : throw new UserErrorException($"a positive multiple of at most {MaxMultiple}, fraction digits counted, is expected");
    }

    /// <param name="integer">No fraction.</param>
    /// <param name="minimum">The smallest number; its second part says whether it is excluded.</param>
    /// <param name="maximum">The largest number; its second part says whether it is excluded.</param>
    /// <param name="multipleOf">What every number is a multiple of.</param>
    /// <param name="budget">What the grammar may cost.</param>
    /// <exception cref="UserErrorException">No number fits, or it is too much.</exception>
    public static ByteDfa Compile(bool integer, (decimal Value, bool Excluded)? minimum, (decimal Value, bool Excluded)? maximum, decimal? multipleOf, GrammarBudget budget)
    {
        NumberRange range = new(integer, multipleOf, budget);
        (decimal Value, bool Excluded)? least = minimum ?? (integer ? (long.MinValue, false) : null);
        (decimal Value, bool Excluded)? most = maximum ?? (integer ? (long.MaxValue, false) : null);
        if (integer)
        {
            least = least is { Value: < long.MinValue } ? (long.MinValue, false) : least;
            most = most is { Value: > long.MaxValue } ? (long.MaxValue, false) : most;
        }

        if (most is not { Value: < 0 })
        {
            range.AddMagnitudes(range._nfa.Start, least is { Value: >= 0 } ? least.Value : (0, false), most);
        }

        if (least is not { Value: >= 0 })
        {
            int minus = range._nfa.NewState();
            range._nfa.AddBytes(range._nfa.Start, '-', '-', minus);
            range.AddMagnitudes(minus, most is { Value: < 0 } below ? (-below.Value, below.Excluded) : (0, true), least is { } l ? (-l.Value, l.Excluded) : null);
        }

        ByteDfa dfa = ByteDfa.From(range._nfa, budget);
        return dfa.IsEmpty ? throw new UserErrorException("no number fits the bounds") : dfa;
    }

    private static string FractionOf(decimal value)
    {
        string text = value.ToString(CultureInfo.InvariantCulture);
        int point = text.IndexOf('.');
        return point < 0 ? "" : text[(point + 1)..].TrimEnd('0');
    }

    private void AddMagnitudes(int from, (decimal Value, bool Excluded) low, (decimal Value, bool Excluded)? high)
    {
        Bound lower = Bound.Of(low);
        Bound? upper = high is { } h ? Bound.Of(h) : null;
        StateMap<Place> states = new(_nfa);
        for (int length = lower.Whole.Length; length <= (upper?.Whole.Length ?? Math.Max(MaxDigits, lower.Whole.Length)); length++)
        {
            bool atUpper = length == upper?.Whole.Length;
            _nfa.AddEpsilon(from, states.Of(new Place(length, 0, length == lower.Whole.Length, atUpper, 0)));
        }

        while (states.TryNext(out Place place, out int state))
        {
            int inFraction = place.Position - place.Length;
            if (inFraction >= 0 && Accepts(place, lower, upper, inFraction))
            {
                _nfa.AddEpsilon(state, _nfa.End);
            }

            int digits = _integer ? 0 : Math.Min(_scale, MaxDigits - place.Length);
            if (inFraction >= digits)
            {
                continue;
            }

            if (inFraction == 0)
            {
                int point = _nfa.NewState();
                _nfa.AddBytes(state, '.', '.', point);
                state = point;
            }

            for (int digit = place is { Position: 0, Length: > 1 } ? 1 : 0; digit <= 9; digit++)
            {
                int least = place.AtLower ? lower.Digit(place.Position) : 0;
                int most = place.AtUpper ? upper!.Digit(place.Position) : 9;
                if (digit >= least && digit <= most)
                {
                    Place next = new(
                        place.Length, place.Position + 1, place.AtLower && digit == least, place.AtUpper && digit == most, ((place.Remainder * 10) + digit) % _modulus);
                    _nfa.AddBytes(state, '0' + digit, '0' + digit, states.Of(next));
                }
            }
        }
    }

    // The digits so far, with zeros behind them, are a number: is it one of those that are looked for?
    private bool Accepts(Place place, Bound lower, Bound? upper, int inFraction)
    {
        int remainder = place.Remainder;
        for (int i = inFraction; i < _scale && remainder != 0; i++)
        {
            remainder = remainder * 10 % _modulus;
        }

        return remainder == 0
            && (!place.AtLower || (inFraction >= lower.Fraction.Length && !lower.Excluded))
            && (!place.AtUpper || inFraction < upper!.Fraction.Length || !upper.Excluded);
    }

    // Digits read, of a number with so many before the point; whether they are those of a bound; what is left of them divided.
    private readonly record struct Place(int Length, int Position, bool AtLower, bool AtUpper, int Remainder);

    private sealed record Bound(string Whole, string Fraction, bool Excluded)
    {
        public static Bound Of((decimal Value, bool Excluded) bound) =>
            new(decimal.Truncate(bound.Value).ToString(CultureInfo.InvariantCulture), FractionOf(bound.Value), bound.Excluded);

        public int Digit(int position)
        {
            int at = position - Whole.Length;
            return at < 0 ? Whole[position] - '0' : at < Fraction.Length ? Fraction[at] - '0' : 0;
        }
    }
}
