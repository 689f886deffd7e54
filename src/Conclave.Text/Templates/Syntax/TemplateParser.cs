namespace Conclave.Text;

/// <summary>Jinja's statements.</summary>
internal sealed class TemplateParser
{
    private readonly TokenStream _stream;
    private readonly ExpressionParser _expressions;
    private readonly Stack<(string Tag, string[] Ends)> _open = new();

    private TemplateParser(TokenStream stream)
    {
        _stream = stream;
        _expressions = new ExpressionParser(stream);
    }

    public static IReadOnlyList<Statement> Parse(string source, string name)
    {
        TemplateParser parser = new(new TokenStream(Lexer.Tokenize(source, name), name));
        return parser.Statements([]);
    }

    // Ends before the name that ends the block, or at the end of the template.
    private List<Statement> Statements(string[] ends)
    {
        List<Statement> statements = [];
        while (_stream.Current.Kind != TokenKind.End)
        {
            Token token = _stream.Next();
            switch (token.Kind)
            {
                case TokenKind.Data:
                    statements.Add(new DataStatement(token.Line, token.Text));
                    break;
                case TokenKind.VariableBegin:
                    statements.Add(new PrintStatement(token.Line, _expressions.Tuple()));
                    _stream.Expect(TokenKind.VariableEnd);
                    break;
                default:
                    if (_stream.Current.Kind == TokenKind.Name && ends.Contains(_stream.Current.Text))
                    {
                        return statements;
                    }

                    _stream.Enter();
                    statements.AddRange(Statement());
                    _stream.Leave();
                    _stream.Expect(TokenKind.BlockEnd);
                    break;
            }
        }

        return ends.Length == 0 ? statements : throw UnexpectedEnd(null, _stream.Current.Line);
    }

    private List<Statement> Body(string tag, params string[] ends)
    {
        _stream.SkipOperator(":");
        _stream.Expect(TokenKind.BlockEnd);
        _open.Push((tag, ends));
        List<Statement> body = Statements(ends);
        _open.Pop();
        return body;
    }

    private List<Statement> BodyUntil(string tag, string end)
    {
        List<Statement> body = Body(tag, end);
        _stream.Next();
        return body;
    }

    private List<Statement> Statement()
    {
        Token tag = _stream.Current.Kind == TokenKind.Name ? _stream.Next() : throw _stream.Fail("tag name expected");
        return tag.Text switch
        {
            "for" => [For(tag.Line)],
            "if" => [If(tag.Line)],
            "set" => [Set(tag.Line)],
            "macro" => [Macro(tag.Line)],
            "call" => [CallBlock(tag.Line)],
            "filter" => [FilterBlock(tag.Line)],
            "with" => [With(tag.Line)],
            "print" => Print(tag.Line),
            "break" => [new FlowStatement(tag.Line, Flow.Break)],
            "continue" => [new FlowStatement(tag.Line, Flow.Continue)],
            "generation" => [new GenerationStatement(tag.Line, new MacroDefinition(null, [], [], BodyUntil("generation", "endgeneration")))],
            "block" or "extends" or "include" or "import" or "from" or "autoescape" => throw _stream.Fail(
                $"the tag '{tag.Text}' cannot be used in a chat template, which stands alone and is plain text", tag.Line),
            _ => throw UnexpectedEnd(tag.Text, tag.Line),
        };
    }

    private ForStatement For(int line)
    {
        AssignmentTarget target = _expressions.Target();
        _stream.ExpectName("in");
        Expression iterable = _expressions.Tuple(allowConditional: false);
        Expression? test = _stream.SkipName("if") ? _expressions.Expression() : null;
        bool isRecursive = _stream.SkipName("recursive");
        List<Statement> body = Body("for", "endfor", "else");
        List<Statement> otherwise = _stream.Next().IsName("else") ? BodyUntil("for", "endfor") : [];
        return new ForStatement(line, target, iterable, test, isRecursive, body, otherwise);
    }

    private IfStatement If(int line)
    {
        List<(Expression, IReadOnlyList<Statement>)> branches = [];
        List<Statement> otherwise = [];
        while (true)
        {
            Expression test = _expressions.Tuple(allowConditional: false);
            branches.Add((test, Body("if", "elif", "else", "endif")));
            Token end = _stream.Next();
            if (end.IsName("elif"))
            {
                continue;
            }

            if (end.IsName("else"))
            {
                otherwise = BodyUntil("if", "endif");
            }

            return new IfStatement(line, branches, otherwise);
        }
    }

    private Statement Set(int line)
    {
        AssignmentTarget target = _expressions.Target(allowNamespace: true);
        if (_stream.SkipOperator("="))
        {
            return new AssignStatement(line, target, _expressions.Tuple());
        }

        FilterExpression? filter = _expressions.Filters(null);
        return new AssignBlockStatement(line, target, filter, BodyUntil("set", "endset"));
    }

    private MacroStatement Macro(int line)
    {
        NameTarget target = _expressions.Name();
        (List<NameTarget> parameters, List<Expression> defaults) = Signature();
        List<Statement> body = BodyUntil("macro", "endmacro");
        return new MacroStatement(line, target, new MacroDefinition(target.Name, parameters, defaults, body));
    }

    private (List<NameTarget> Parameters, List<Expression> Defaults) Signature()
    {
        List<NameTarget> parameters = [];
        List<Expression> defaults = [];
        _stream.ExpectOperator("(");
        while (!_stream.IsOperator(")"))
        {
            if (parameters.Count > 0)
            {
                _stream.ExpectOperator(",");
            }

            NameTarget parameter = _expressions.Name();
            if (_stream.SkipOperator("="))
            {
                defaults.Add(_expressions.Expression());
            }
            else if (defaults.Count > 0)
            {
                throw _stream.Fail("non-default argument follows default argument");
            }

            if (parameters.Any(other => other.Name == parameter.Name))
            {
                throw _stream.Fail($"duplicate argument {StringRepr.Quote(parameter.Name)} in function definition", parameter.Line);
            }

            parameters.Add(parameter);
        }

        _stream.ExpectOperator(")");
        return (parameters, defaults);
    }

    private CallBlockStatement CallBlock(int line)
    {
        (List<NameTarget> parameters, List<Expression> defaults) = _stream.IsOperator("(") ? Signature() : ([], []);
        CallExpression call = _expressions.Expression() as CallExpression ?? throw _stream.Fail("expected call", line);
        return new CallBlockStatement(line, call, new MacroDefinition(null, parameters, defaults, BodyUntil("call", "endcall")));
    }

    private FilterBlockStatement FilterBlock(int line)
    {
        FilterExpression filter = _expressions.Filters(null, isInline: true)!;
        return new FilterBlockStatement(line, filter, BodyUntil("filter", "endfilter"));
    }

    private WithStatement With(int line)
    {
        List<(AssignmentTarget, Expression)> bindings = [];
        while (_stream.Current.Kind != TokenKind.BlockEnd)
        {
            if (bindings.Count > 0)
            {
                _stream.ExpectOperator(",");
            }

            AssignmentTarget target = _expressions.Target();
            _stream.ExpectOperator("=");
            bindings.Add((target, _expressions.Expression()));
        }

        return new WithStatement(line, bindings, BodyUntil("with", "endwith"));
    }

    private List<Statement> Print(int line)
    {
        List<Statement> statements = [];
        while (_stream.Current.Kind != TokenKind.BlockEnd)
        {
            if (statements.Count > 0)
            {
                _stream.ExpectOperator(",");
            }

            statements.Add(new PrintStatement(line, _expressions.Expression()));
        }

        return statements;
    }

    private TemplateException UnexpectedEnd(string? tag, int line)
    {
        List<string> message = [tag is null ? "Unexpected end of template." : $"Encountered unknown tag '{tag}'."];
        if (_open.Count > 0)
        {
            string wanted = string.Join(" or ", _open.Peek().Ends.Select(end => $"'{end}'"));
            bool isMisplaced = tag is not null && _open.Any(block => block.Ends.Contains(tag));
            message.Add(isMisplaced
                ? $"You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for {wanted}."
                : $"Jinja was looking for the following tags: {wanted}.");
            message.Add($"The innermost block that needs to be closed is '{_open.Peek().Tag}'.");
        }

        return _stream.Fail(string.Join(' ', message), line);
    }
}
