namespace Conclave.Text;

/// <summary>
/// Finds the names that a scope loads and stores, without going into the scopes inside it. Jinja visits statements in this order, and the
/// order decides what a name means.
/// </summary>
internal static class Analysis
{
    public static void Visit(IEnumerable<Statement> statements, Symbols symbols)
    {
        foreach (Statement statement in statements)
        {
            Visit(statement, symbols);
        }
    }

    public static void Visit(Expression? expression, Symbols symbols)
    {
        RenderState.EnsureStack();
        if (expression is NameExpression name)
        {
            symbols.Load(name.Name);
        }

        foreach (Expression child in expression?.Children ?? [])
        {
            Visit(child, symbols);
        }
    }

    public static void Visit(AssignmentTarget target, Symbols symbols, bool isParameter = false)
    {
        foreach (AssignmentTarget leaf in target.Leaves)
        {
            switch (leaf)
            {
                case NameTarget name when isParameter:
                    symbols.Parameter(name.Name);
                    break;
                case NameTarget name:
                    symbols.Store(name.Name);
                    break;
                case NamespaceTarget part:
                    symbols.Load(part.Name);
                    break;
            }
        }
    }

    /// <summary>Every expression in the statements, those in inner scopes included.</summary>
    public static IEnumerable<Expression> Expressions(IEnumerable<Statement> statements) => statements.SelectMany(Expressions);

    /// <summary>Every target in the statements, those in inner scopes included.</summary>
    public static IEnumerable<AssignmentTarget> Targets(IEnumerable<Statement> statements) => statements.SelectMany(Targets);

    public static bool Mentions(IEnumerable<Expression> expressions, string name)
    {
        Stack<Expression> left = new(expressions);
        while (left.TryPop(out Expression? expression))
        {
            if (expression is NameExpression found && found.Name == name)
            {
                return true;
            }

            foreach (Expression child in expression.Children)
            {
                left.Push(child);
            }
        }

        return false;
    }

    private static void Visit(Statement statement, Symbols symbols)
    {
        RenderState.EnsureStack();
        switch (statement)
        {
            case PrintStatement print:
                Visit(print.Expression, symbols);
                break;
            case IfStatement branch:
                Visit(branch, 0, symbols);
                break;
            case AssignStatement assign:
                Visit(assign.Value, symbols);
                Visit(assign.Target, symbols);
                break;
            case AssignBlockStatement block:
                Visit(block.Target, symbols);
                break;
            case ForStatement loop:
                Visit(loop.Iterable, symbols);
                break;
            case MacroStatement macro:
                symbols.Store(macro.Target.Name);
                break;
            case CallBlockStatement call:
                Visit(call.Call, symbols);
                break;
            case FilterBlockStatement filter:
                Visit(filter.Filter, symbols);
                break;
            case WithStatement with:
                foreach ((_, Expression value) in with.Bindings)
                {
                    Visit(value, symbols);
                }

                break;
        }
    }

    // To Jinja every "elif" is an "if" of its own among three branches: body, the list of elifs, else.
    private static void Visit(IfStatement statement, int branch, Symbols symbols)
    {
        Visit(statement.Branches[branch].Test, symbols);
        Symbols body = symbols.Copy();
        Visit(statement.Branches[branch].Body, body);
        Symbols alternatives = symbols.Copy();
        for (int i = 1; branch == 0 && i < statement.Branches.Count; i++)
        {
            Visit(statement.Branches[i].Test, alternatives);
            Symbols alternative = alternatives.Copy();
            Visit(statement.Branches[i].Body, alternative);
            alternatives.Merge([alternative, alternatives.Copy(), alternatives.Copy()]);
        }

        Symbols otherwise = symbols.Copy();
        Visit(statement.Otherwise, otherwise);
        symbols.Merge([body, alternatives, otherwise]);
    }

    private static IEnumerable<Expression> Expressions(Statement statement) => statement switch
    {
        PrintStatement print => [print.Expression],
        IfStatement branch =>
            [.. branch.Branches.SelectMany(b => Expressions(b.Body).Prepend(b.Test)), .. Expressions(branch.Otherwise)],
        AssignStatement assign => [assign.Value],
        AssignBlockStatement block => [.. Optional(block.Filter), .. Expressions(block.Body)],
        FilterBlockStatement filter => [filter.Filter, .. Expressions(filter.Body)],
        WithStatement with => [.. with.Bindings.Select(binding => binding.Value), .. Expressions(with.Body)],
        ForStatement loop => [loop.Iterable, .. Optional(loop.Test), .. Expressions(loop.Body), .. Expressions(loop.Otherwise)],
        MacroStatement macro => [.. macro.Definition.Defaults, .. Expressions(macro.Definition.Body)],
        CallBlockStatement call => [call.Call, .. call.Definition.Defaults, .. Expressions(call.Definition.Body)],
        GenerationStatement generation => Expressions(generation.Definition.Body),
        _ => [],
    };

    private static IEnumerable<AssignmentTarget> Targets(Statement statement) => statement switch
    {
        IfStatement branch => [.. branch.Branches.SelectMany(b => Targets(b.Body)), .. Targets(branch.Otherwise)],
        AssignStatement assign => [assign.Target],
        AssignBlockStatement block => [block.Target, .. Targets(block.Body)],
        FilterBlockStatement filter => Targets(filter.Body),
        WithStatement with => Targets(with.Body),
        ForStatement loop => [loop.Target, .. Targets(loop.Body), .. Targets(loop.Otherwise)],
        MacroStatement macro => Targets(macro.Definition.Body),
        CallBlockStatement call => Targets(call.Definition.Body),
        GenerationStatement generation => Targets(generation.Definition.Body),
        _ => [],
    };

    private static IEnumerable<Expression> Optional(Expression? expression) => expression is null ? [] : [expression];
}
