namespace Conclave.Text;

/// <summary>Jinja's expressions, by recursive descent in its order of precedence.</summary>
internal sealed class ExpressionParser(TokenStream stream)
{
    // Longer chains of one operator would be evaluated too deeply; Python's compiler stops far earlier.
    private const int MaxChain = 500;

    /// <summary>An expression, with an inline "if" where that is allowed.</summary>
    public Expression Expression(bool allowConditional = true)
    {
        stream.Enter();
        Expression expression = allowConditional ? Conditional() : Or();
        stream.Leave();
        return expression;
    }

    /// <summary>An expression, or a tuple where commas follow.</summary>
    public Expression Tuple(bool allowConditional = true, bool inParentheses = false)
    {
        int line = stream.Current.Line;
        List<Expression> items = Items(() => Expression(allowConditional), out bool isTuple);
        if (!isTuple)
        {
            if (items.Count > 0)
            {
                return items[0];
            }

            if (!inParentheses)
            {
                throw stream.Fail($"Expected an expression, got {StringRepr.Quote(stream.Current.Describe())}");
            }
        }

        return new TupleExpression(line, items);
    }

    /// <summary>What can be assigned to: names, namespace attributes where allowed, and tuples of these.</summary>
    public AssignmentTarget Target(bool allowNamespace = false)
    {
        int line = stream.Current.Line;
        List<AssignmentTarget> items = Items(() => SingleTarget(allowNamespace), out bool isTuple);
        return isTuple ? new TupleTarget(line, items)
            : items.Count > 0 ? items[0]
            : throw stream.Fail($"Expected an expression, got {StringRepr.Quote(stream.Current.Describe())}");
    }

    /// <summary>A plain name to assign to.</summary>
    public NameTarget Name()
    {
        Token token = stream.ExpectName();
        return token.Text is "true" or "false" or "none" or "True" or "False" or "None"
            ? throw stream.Fail("can't assign to 'const'", token.Line)
            : new NameTarget(token.Line, token.Text);
    }

    /// <summary>One or more filters, each after "|"; the first without it where <paramref name="isInline"/>.</summary>
    public FilterExpression? Filters(Expression? input, bool isInline = false)
    {
        FilterExpression? filter = null;
        for (int count = 0; stream.IsOperator("|") || isInline; count++)
        {
            if (!isInline)
            {
                stream.Next();
            }

            isInline = false;
            (Token token, string name) = DottedName();
            ArgumentList arguments = stream.IsOperator("(") ? CallArguments() : ArgumentList.Empty;
            filter = new FilterExpression(token.Line, (Expression?)filter ?? input, name, arguments);
            CheckChain(count);
        }

        return filter;
    }

    private AssignmentTarget SingleTarget(bool allowNamespace)
    {
        int line = stream.Current.Line;
        if (stream.SkipOperator("("))
        {
            stream.Enter();
            AssignmentTarget inner = stream.IsOperator(")") ? new TupleTarget(line, []) : Target();
            stream.Leave();
            stream.ExpectOperator(")");
            return inner;
        }

        if (stream.Current.Kind != TokenKind.Name)
        {
            throw stream.Current.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float
                ? stream.Fail("can't assign to 'const'")
                : stream.Fail($"unexpected {StringRepr.Quote(stream.Current.Describe())}");
        }

        NameTarget name = Name();
        return allowNamespace && stream.SkipOperator(".")
            ? new NamespaceTarget(line, name.Name, stream.ExpectName().Text)
            : name;
    }

    /// <summary>Items with commas between them, perhaps one behind the last; a single one without a comma is no tuple.</summary>
    private List<T> Items<T>(Func<T> item, out bool isTuple)
    {
        List<T> items = [];
        isTuple = false;
        while (true)
        {
            if (items.Count > 0)
            {
                stream.ExpectOperator(",");
            }

            if (IsTupleEnd())
            {
                break;
            }

            items.Add(item());
            if (!stream.IsOperator(","))
            {
                break;
            }

            isTuple = true;
        }

        return items;
    }

    private bool IsTupleEnd() => stream.Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd || stream.IsOperator(")");

    private Expression Conditional()
    {
        int line = stream.Current.Line;
        Expression expression = Or();
        for (int count = 0; stream.SkipName("if"); count++)
        {
            Expression test = Or();
            Expression? otherwise = null;
            if (stream.SkipName("else"))
            {
                stream.Enter();
                otherwise = Conditional();
                stream.Leave();
            }

            expression = new ConditionalExpression(line, stream.Name, test, expression, otherwise);
            CheckChain(count);
        }

        return expression;
    }

    private Expression Or()
    {
        int line = stream.Current.Line;
        Expression left = And();
        for (int count = 0; stream.SkipName("or"); count++)
        {
            left = new LogicalExpression(line, isOr: true, left, And());
            CheckChain(count);
        }

        return left;
    }

    private Expression And()
    {
        int line = stream.Current.Line;
        Expression left = Not();
        for (int count = 0; stream.SkipName("and"); count++)
        {
            left = new LogicalExpression(line, isOr: false, left, Not());
            CheckChain(count);
        }

        return left;
    }

    private Expression Not()
    {
        int line = stream.Current.Line;
        if (!stream.SkipName("not"))
        {
            return Compare();
        }

        stream.Enter();
        Expression operand = Not();
        stream.Leave();
        return new NotExpression(line, operand);
    }

    private Expression Compare()
    {
        int line = stream.Current.Line;
        Expression first = Sum();
        List<(string, Expression)> rest = [];
        while (true)
        {
            if (stream.Current.Kind == TokenKind.Operator && stream.Current.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
            {
                string symbol = stream.Next().Text;
                rest.Add((symbol, Sum()));
            }
            else if (stream.SkipName("in"))
            {
                rest.Add(("in", Sum()));
            }
            else if (stream.IsName("not") && stream.Look.IsName("in"))
            {
                stream.Next();
                stream.Next();
                rest.Add(("not in", Sum()));
            }
            else
            {
                return rest.Count == 0 ? first : new ComparisonExpression(line, first, rest);
            }
        }
    }

    private Expression Sum() => Chain(Concatenation, "+", "-");

    private Expression Concatenation()
    {
        int line = stream.Current.Line;
        List<Expression> parts = [Product()];
        while (stream.SkipOperator("~"))
        {
            parts.Add(Product());
        }

        return parts.Count == 1 ? parts[0] : new ConcatenationExpression(line, parts);
    }

    private Expression Product() => Chain(Power, "*", "/", "//", "%");

    private Expression Power() => Chain(() => Unary(), "**");

    private Expression Chain(Func<Expression> operand, params ReadOnlySpan<string> symbols)
    {
        int line = stream.Current.Line;
        Expression left = operand();
        for (int count = 0; stream.Current.Kind == TokenKind.Operator && symbols.Contains(stream.Current.Text); count++)
        {
            string symbol = stream.Next().Text;
            left = new ArithmeticExpression(line, symbol, left, operand());
            line = stream.Current.Line;
            CheckChain(count);
        }

        return left;
    }

    private Expression Unary(bool allowFilter = true)
    {
        int line = stream.Current.Line;
        Expression expression;
        if (stream.IsOperator("-") || stream.IsOperator("+"))
        {
            stream.Enter();
            bool negates = stream.Next().Text == "-";
            expression = new SignExpression(line, negates, Unary(allowFilter: false));
            stream.Leave();
        }
        else
        {
            expression = Primary();
        }

        expression = Postfix(expression);
        return allowFilter ? FiltersAndTests(expression) : expression;
    }

    private Expression Primary()
    {
        Token token = stream.Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                stream.Next();
                return token.Text switch
                {
                    "true" or "True" => new ConstantExpression(token.Line, BooleanValue.True),
                    "false" or "False" => new ConstantExpression(token.Line, BooleanValue.False),
                    "none" or "None" => new ConstantExpression(token.Line, NoneValue.Instance),
                    _ => new NameExpression(token.Line, token.Text),
                };
            case TokenKind.String:
                List<string> parts = [];
                while (stream.Current.Kind == TokenKind.String)
                {
                    parts.Add(stream.Next().Text);
                }

                return new ConstantExpression(token.Line, new StringValue(string.Concat(parts)));
            case TokenKind.Integer or TokenKind.Float:
                stream.Next();
                return new ConstantExpression(token.Line, token.Number!);
            case TokenKind.Operator when token.Text == "(":
                stream.Next();
                Expression inner = Tuple(inParentheses: true);
                stream.ExpectOperator(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return List();
            case TokenKind.Operator when token.Text == "{":
                return Dict();
            default:
                throw stream.Fail($"unexpected {StringRepr.Quote(token.Describe())}");
        }
    }

    private ListExpression List()
    {
        int line = stream.ExpectOperator("[").Line;
        List<Expression> items = [];
        while (!stream.IsOperator("]"))
        {
            if (items.Count > 0)
            {
                stream.ExpectOperator(",");
            }

            if (stream.IsOperator("]"))
            {
                break;
            }

            items.Add(Expression());
        }

        stream.ExpectOperator("]");
        return new ListExpression(line, items);
    }

    private DictExpression Dict()
    {
        int line = stream.ExpectOperator("{").Line;
        List<(Expression, Expression)> items = [];
        while (!stream.IsOperator("}"))
        {
            if (items.Count > 0)
            {
                stream.ExpectOperator(",");
            }

            if (stream.IsOperator("}"))
            {
                break;
            }

            Expression key = Expression();
            stream.ExpectOperator(":");
            items.Add((key, Expression()));
        }

        stream.ExpectOperator("}");
        return new DictExpression(line, items);
    }

    private Expression Postfix(Expression expression)
    {
        for (int count = 0; ; count++)
        {
            CheckChain(count);
            if (stream.IsOperator("."))
            {
                expression = Attribute(expression);
            }
            else if (stream.IsOperator("["))
            {
                expression = Subscript(expression);
            }
            else if (stream.IsOperator("("))
            {
                expression = new CallExpression(stream.Current.Line, expression, CallArguments());
            }
            else
            {
                return expression;
            }
        }
    }

    private Expression FiltersAndTests(Expression expression)
    {
        for (int count = 0; ; count++)
        {
            CheckChain(count);
            if (stream.IsOperator("|"))
            {
                expression = Filters(expression)!;
            }
            else if (stream.IsName("is"))
            {
                expression = Test(expression);
            }
            else if (stream.IsOperator("("))
            {
                expression = new CallExpression(stream.Current.Line, expression, CallArguments());
            }
            else
            {
                return expression;
            }
        }
    }

    private Expression Attribute(Expression target)
    {
        int line = stream.Next().Line;
        Token token = stream.Next();
        return token.Kind switch
        {
            TokenKind.Name => new AttributeExpression(line, target, token.Text),
            TokenKind.Integer => new ItemExpression(line, target, new ConstantExpression(token.Line, token.Number!)),
            _ => throw stream.Fail("expected name or number", token.Line),
        };
    }

    private Expression Subscript(Expression target)
    {
        int line = stream.ExpectOperator("[").Line;
        List<Expression> keys = [];
        SliceExpression? slice = null;
        bool isTuple = false;
        while (!stream.IsOperator("]"))
        {
            if (keys.Count > 0 || slice is not null)
            {
                stream.ExpectOperator(",");
                isTuple = true;
            }

            (Expression? key, SliceExpression? range) = Subscripted(target);
            slice ??= range;
            if (key is not null)
            {
                keys.Add(key);
            }
        }

        if (slice is not null && isTuple)
        {
            throw stream.Fail("a slice cannot stand beside other keys", line);
        }

        stream.ExpectOperator("]");
        return slice ?? (keys.Count == 1
            ? new ItemExpression(line, target, keys[0])
            : (Expression)new ItemExpression(line, target, new TupleExpression(line, keys)));
    }

    private (Expression? Key, SliceExpression? Slice) Subscripted(Expression target)
    {
        int line = stream.Current.Line;
        Expression? start = stream.IsOperator(":") ? null : Expression();
        if (!stream.SkipOperator(":"))
        {
            return (start, null);
        }

        Expression? stop = IsBoundMissing() ? null : Expression();
        Expression? step = stream.SkipOperator(":") && !IsBoundMissing() ? Expression() : null;
        return (null, new SliceExpression(line, target, start, stop, step));

        bool IsBoundMissing() => stream.IsOperator(":") || stream.IsOperator("]") || stream.IsOperator(",");
    }

    private ArgumentList CallArguments()
    {
        int line = stream.ExpectOperator("(").Line;
        List<Expression> positional = [];
        List<(string Name, Expression Value)> named = [];
        Expression? star = null;
        Expression? doubleStar = null;
        bool needsComma = false;
        while (!stream.IsOperator(")"))
        {
            if (needsComma)
            {
                stream.ExpectOperator(",");
                if (stream.IsOperator(")"))
                {
                    break;
                }
            }

            needsComma = true;
            if (stream.IsOperator("*"))
            {
                Ensure(star is null && doubleStar is null);
                stream.Next();
                star = Expression();
            }
            else if (stream.IsOperator("**"))
            {
                Ensure(doubleStar is null);
                stream.Next();
                doubleStar = Expression();
            }
            else if (stream.Current.Kind == TokenKind.Name && stream.Look.IsOperator("="))
            {
                Ensure(doubleStar is null);
                string name = stream.Next().Text;
                stream.Next();
                if (named.Any(argument => argument.Name == name))
                {
                    throw stream.Fail($"keyword argument repeated: {name}", line);
                }

                named.Add((name, Expression()));
            }
            else
            {
                Ensure(star is null && doubleStar is null && named.Count == 0);
                positional.Add(Expression());
            }
        }

        stream.ExpectOperator(")");
        return new ArgumentList(positional, named, star, doubleStar);

        void Ensure(bool isValid)
        {
            if (!isValid)
            {
                throw stream.Fail("invalid syntax for function call expression", line);
            }
        }
    }

    private Expression Test(Expression input)
    {
        int line = stream.Next().Line;
        bool isNegated = stream.SkipName("not");
        (_, string name) = DottedName();
        ArgumentList arguments = ArgumentList.Empty;
        if (stream.IsOperator("("))
        {
            arguments = CallArguments();
        }
        else if (IsTestArgument())
        {
            if (stream.IsName("is"))
            {
                throw stream.Fail("You cannot chain multiple tests with is");
            }

            stream.Enter();
            arguments = new ArgumentList([Postfix(Primary())], [], null, null);
            stream.Leave();
        }

        Expression test = new TestExpression(line, input, name, arguments);
        return isNegated ? new NotExpression(line, test) : test;
    }

    private bool IsTestArgument() => stream.Current.Kind switch
    {
        TokenKind.Name => stream.Current.Text is not ("else" or "or" or "and"),
        TokenKind.String or TokenKind.Integer or TokenKind.Float => true,
        _ => stream.IsOperator("[") || stream.IsOperator("{"),
    };

    private (Token First, string Name) DottedName()
    {
        Token first = stream.ExpectName();
        string name = first.Text;
        while (stream.SkipOperator("."))
        {
            name += "." + stream.ExpectName().Text;
        }

        return (first, name);
    }

    private void CheckChain(int count)
    {
        if (count >= MaxChain)
        {
            throw stream.Fail($"more than {MaxChain} operators in a row");
        }
    }
}
