namespace Conclave.Text;

/// <summary>Python's order of values.</summary>
internal static class Comparison
{
    public static bool AreEqual(RenderState state, Value left, Value right)
    {
        state.Step(Math.Min(left.Weight, right.Weight));
        return left.EqualTo(right);
    }

    public static bool Less(RenderState state, Value left, Value right) => Holds(state, "<", left, right, order => order < 0);

    public static bool LessOrEqual(RenderState state, Value left, Value right) => Holds(state, "<=", left, right, order => order <= 0);

    public static bool Greater(RenderState state, Value left, Value right) => Holds(state, ">", left, right, order => order > 0);

    public static bool GreaterOrEqual(RenderState state, Value left, Value right) => Holds(state, ">=", left, right, order => order >= 0);

    /// <summary>A stable sort by keys that are computed once.</summary>
    public static List<Value> Sort(RenderState state, IReadOnlyList<Value> items, Func<Value, Value> key, bool reverse)
    {
        (Value Key, Value Item)[] keyed = [.. items.Select(item => (key(item), item))];

        // Python reverses before and after, so that equal items keep their order.
        if (reverse)
        {
            Array.Reverse(keyed);
        }

        SortPairs(keyed, new (Value, Value)[keyed.Length], 0, keyed.Length, (a, b) => Less(state, a, b));
        if (reverse)
        {
            Array.Reverse(keyed);
        }

        return [.. keyed.Select(pair => pair.Item)];
    }

    // Python's order of comparisons for short lists, so that the pair that cannot be compared is the one that it complains about.
    private static void SortPairs(
        (Value Key, Value Item)[] items, (Value Key, Value Item)[] spare, int start, int end, Func<Value, Value, bool> less)
    {
        if (end - start < 64)
        {
            InsertionSort(items, start, end, less);
            return;
        }

        int middle = (start + end) / 2;
        SortPairs(items, spare, start, middle, less);
        SortPairs(items, spare, middle, end, less);
        int left = start;
        int right = middle;
        for (int i = start; i < end; i++)
        {
            bool takeRight = left >= middle || (right < end && less(items[right].Key, items[left].Key));
            spare[i] = takeRight ? items[right++] : items[left++];
        }

        Array.Copy(spare, start, items, start, end - start);
    }

    private static void InsertionSort((Value Key, Value Item)[] items, int start, int end, Func<Value, Value, bool> less)
    {
        if (end - start < 2)
        {
            return;
        }

        bool isFalling = less(items[start + 1].Key, items[start].Key);
        int run = start + 2;
        while (run < end && less(items[run].Key, items[run - 1].Key) == isFalling)
        {
            run++;
        }

        if (isFalling)
        {
            Array.Reverse(items, start, run - start);
        }

        for (int i = run; i < end; i++)
        {
            (Value Key, Value Item) pivot = items[i];
            int low = start;
            int high = i;
            while (low < high)
            {
                int middle = low + (high - low) / 2;
                if (less(pivot.Key, items[middle].Key))
                {
                    high = middle;
                }
                else
                {
                    low = middle + 1;
                }
            }

            Array.Copy(items, low, items, low + 1, i - low);
            items[low] = pivot;
        }
    }

    private static bool Holds(RenderState state, string symbol, Value left, Value right, Func<int, bool> test)
    {
        state.Step();
        Operators.ThrowIfUndefined(left, right);
        if (Numbers.IsNumber(left) && Numbers.IsNumber(right))
        {
            return Numbers.Compare(left, right) is { } order && test(order);
        }

        if (left is StringValue a && right is StringValue b)
        {
            state.Characters(Math.Min(a.Text.Length, b.Text.Length));
            return test(CompareCodePoints(a.Text, b.Text));
        }

        if ((left is ListValue && right is ListValue) || (left is TupleValue && right is TupleValue))
        {
            RenderState.EnsureStack();
            IReadOnlyList<Value> x = ((SequenceValue)left).Items;
            IReadOnlyList<Value> y = ((SequenceValue)right).Items;
            for (int i = 0; i < Math.Min(x.Count, y.Count); i++)
            {
                if (!ReferenceEquals(x[i], y[i]) && !AreEqual(state, x[i], y[i]))
                {
                    return Holds(state, symbol, x[i], y[i], test);
                }
            }

            return test(x.Count.CompareTo(y.Count));
        }

        throw TemplateErrors.Type($"'{symbol}' not supported between instances of '{left.TypeName}' and '{right.TypeName}'");
    }

    // UTF-16 order differs where surrogates meet the last of the plane.
    private static int CompareCodePoints(string a, string b)
    {
        for (int i = 0; i < Math.Min(a.Length, b.Length); i++)
        {
            if (a[i] != b[i])
            {
                return char.IsSurrogate(a[i]) == char.IsSurrogate(b[i])
                    ? a[i].CompareTo(b[i])
                    : char.IsSurrogate(a[i]) ? 1 : -1;
            }
        }

        return a.Length.CompareTo(b.Length);
    }
}
