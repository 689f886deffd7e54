namespace Conclave.Text;

/// <summary>Gives every name of a parsed template its slot, and finds mistakes that Jinja's compiler finds.</summary>
internal sealed class Binder
{
    private readonly string _name;

    private Binder(string name) => _name = name;

    /// <summary>Binds the template; returns how many slots it needs and what it loads first.</summary>
    public static (int Slots, IReadOnlyList<ScopeLoad> Loads) Bind(IReadOnlyList<Statement> statements, string name)
    {
        Symbols root = new(null, new FunctionScope(null));
        Analysis.Visit(statements, root);
        new Binder(name).Statements(statements, root, isSoft: false, inLoop: false);
        return (root.Function.Slots, root.EntryLoads());
    }

    // "Soft" code runs only if a test holds: filters that do not exist are an error only when they are reached.
    private void Statements(IEnumerable<Statement> statements, Symbols symbols, bool isSoft, bool inLoop)
    {
        foreach (Statement statement in statements)
        {
            Statement(statement, symbols, isSoft, inLoop);
        }
    }

    private void Statement(Statement statement, Symbols symbols, bool isSoft, bool inLoop)
    {
        RenderState.EnsureStack();
        switch (statement)
        {
            case PrintStatement print:
                Expression(print.Expression, symbols, isSoft);
                break;
            case IfStatement branch:
                If(branch, symbols, inLoop);
                break;
            case AssignStatement assign:
                Target(assign.Target, symbols);
                Expression(assign.Value, symbols, isSoft);
                break;
            case FlowStatement flow when !inLoop:
                throw SyntaxErrors.At(_name, flow.Line, $"'{(flow.Flow == Flow.Break ? "break" : "continue")}' outside loop");
            case AssignBlockStatement block:
                Target(block.Target, symbols);
                Scope(block, block.Filter, symbols, inLoop);
                break;
            case FilterBlockStatement filter:
                Scope(filter, filter.Filter, symbols, inLoop);
                break;
            case WithStatement with:
                With(with, symbols, isSoft, inLoop);
                break;
            case ForStatement loop:
                For(loop, symbols, isSoft, inLoop);
                break;
            case MacroStatement macro:
                Macro(macro.Definition, macro.Line, symbols);
                Target(macro.Target, symbols);
                break;
            case CallBlockStatement call:
                Macro(call.Definition, call.Line, symbols);
                Expression(call.Call, symbols, isSoft);
                break;
            case GenerationStatement generation:
                Macro(generation.Definition, generation.Line, symbols);
                break;
        }
    }

    private void If(IfStatement statement, Symbols symbols, bool inLoop)
    {
        foreach ((Expression test, IReadOnlyList<Statement> body) in statement.Branches)
        {
            Expression(test, symbols, isSoft: true);
            Statements(body, symbols, isSoft: true, inLoop);
        }

        Statements(statement.Otherwise, symbols, isSoft: true, inLoop);
    }

    private void Scope(ScopedStatement statement, FilterExpression? filter, Symbols outer, bool inLoop)
    {
        Symbols inner = new(outer, outer.Function);
        Analysis.Visit(statement.Body, inner);
        Analysis.Visit(filter, inner);
        statement.Loads = inner.EntryLoads();
        Statements(statement.Body, inner, isSoft: false, inLoop);
        Expression(filter, inner, isSoft: false);
    }

    private void With(WithStatement statement, Symbols outer, bool isSoft, bool inLoop)
    {
        Symbols inner = new(outer, outer.Function);
        foreach ((AssignmentTarget target, _) in statement.Bindings)
        {
            Analysis.Visit(target, inner, isParameter: true);
        }

        Analysis.Visit(statement.Body, inner);
        statement.Loads = inner.EntryLoads();
        foreach ((AssignmentTarget target, Expression value) in statement.Bindings)
        {
            Target(target, inner);
            Expression(value, outer, isSoft);
        }

        Statements(statement.Body, inner, isSoft: false, inLoop);
    }

    private void For(ForStatement loop, Symbols outer, bool isSoft, bool inLoop)
    {
        if (Analysis.Targets([loop]).SelectMany(target => target.Leaves).OfType<NameTarget>().FirstOrDefault(t => t.Name == "loop") is { } special)
        {
            throw SyntaxErrors.At(_name, special.Line, "Can't assign to special loop variable in for-loop target");
        }

        Expression(loop.Iterable, outer, isSoft);
        FunctionScope function = loop.IsRecursive ? new FunctionScope(outer.Function) : outer.Function;
        Symbols body = new(outer, function);
        loop.Loop = function.Reach(body.Parameter("loop"));
        Analysis.Visit(loop.Target, body, isParameter: true);
        Analysis.Visit(loop.Body, body);
        loop.Loads = body.EntryLoads();
        Target(loop.Target, body);
        Statements(loop.Body, body, isSoft: false, inLoop: true);

        Symbols otherwise = new(outer, function);
        Analysis.Visit(loop.Otherwise, otherwise);
        loop.OtherwiseLoads = otherwise.EntryLoads();
        Statements(loop.Otherwise, otherwise, isSoft: false, inLoop && !loop.IsRecursive);
        loop.Slots = function.Slots;

        if (loop.Test is not null)
        {
            Symbols test = new(outer, new FunctionScope(outer.Function));
            Analysis.Visit(loop.TestTarget, test, isParameter: true);
            Analysis.Visit(loop.Test, test);
            loop.TestLoads = test.EntryLoads();
            Target(loop.TestTarget, test);
            Expression(loop.Test, test, isSoft: false);
            loop.TestSlots = test.Function.Slots;
        }
    }

    private void Macro(MacroDefinition macro, int line, Symbols outer)
    {
        Symbols inner = new(outer, new FunctionScope(outer.Function));
        foreach (NameTarget parameter in macro.Parameters)
        {
            parameter.Variable = inner.Function.Reach(inner.Parameter(parameter.Name));
        }

        IEnumerable<Expression> expressions = Analysis.Expressions(macro.Body);
        bool IsParameter(string name) => macro.Parameters.Any(parameter => parameter.Name == name);
        VariableReference? Special(string name) => Analysis.Mentions(expressions, name) && !IsParameter(name)
            ? inner.Function.Reach(inner.Parameter(name))
            : null;
        macro.UsesCaller = Analysis.Mentions(expressions, "caller");
        if (macro.UsesCaller && IsParameter("caller") && macro.Default(macro.Parameters.ToList().FindIndex(p => p.Name == "caller")) is null)
        {
            throw SyntaxErrors.At(
                _name, line,
                "When defining macros or call blocks the special \"caller\" argument must be omitted or be given a default.");
        }

        macro.Caller = Special("caller");
        macro.Keywords = Special("kwargs");
        macro.Rest = Special("varargs");
        foreach (Expression value in macro.Defaults)
        {
            Analysis.Visit(value, inner);
        }

        Analysis.Visit(macro.Body, inner);
        macro.Loads = inner.EntryLoads();
        foreach (Expression value in macro.Defaults)
        {
            Expression(value, inner, isSoft: false);
        }

        Statements(macro.Body, inner, isSoft: false, inLoop: false);
        macro.Slots = inner.Function.Slots;
    }

    private static void Target(AssignmentTarget target, Symbols symbols)
    {
        foreach (AssignmentTarget leaf in target.Leaves)
        {
            switch (leaf)
            {
                case NameTarget name:
                    name.Variable = symbols.Function.Reach(symbols.Find(name.Name)!);
                    break;
                case NamespaceTarget part:
                    part.Variable = symbols.Function.Reach(symbols.Find(part.Name)!);
                    break;
            }
        }
    }

    private void Expression(Expression? expression, Symbols symbols, bool isSoft)
    {
        RenderState.EnsureStack();
        switch (expression)
        {
            case null:
                return;
            case NameExpression name:
                name.Variable = symbols.Function.Reach(symbols.Find(name.Name)!);
                break;
            case FilterExpression { Exists: false } filter when !isSoft:
                throw SyntaxErrors.At(_name, filter.Line, $"No filter named {StringRepr.Quote(filter.Name)}.");
            case TestExpression { Exists: false } test when !isSoft:
                throw SyntaxErrors.At(_name, test.Line, $"No test named {StringRepr.Quote(test.Name)}.");
        }

        foreach (Expression child in expression.Children)
        {
            Expression(child, symbols, isSoft || expression is ConditionalExpression);
        }
    }
}
