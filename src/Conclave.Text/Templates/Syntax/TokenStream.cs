namespace Conclave.Text;

/// <summary>The tokens of a template with the place that the parser has reached.</summary>
internal sealed class TokenStream(List<Token> tokens, string name)
{
    // Deeper nesting is nothing a person writes; Python's own compiler gives up at about a hundred.
    private const int MaxDepth = 100;

    private int _position;
    private int _depth;

    public string Name => name;

    public Token Current => tokens[_position];

    public Token Look => tokens[Math.Min(_position + 1, tokens.Count - 1)];

    public bool IsName(string text) => Current.IsName(text);

    public bool IsOperator(string symbol) => Current.IsOperator(symbol);

    public Token Next()
    {
        Token token = Current;
        if (token.Kind != TokenKind.End)
        {
            _position++;
        }

        return token;
    }

    public bool SkipName(string text)
    {
        bool found = IsName(text);
        if (found)
        {
            Next();
        }

        return found;
    }

    public bool SkipOperator(string symbol)
    {
        bool found = IsOperator(symbol);
        if (found)
        {
            Next();
        }

        return found;
    }

    public Token ExpectOperator(string symbol) => IsOperator(symbol) ? Next() : throw Unexpected(symbol);

    public Token ExpectName(string text) => IsName(text) ? Next() : throw Unexpected(text);

    public Token ExpectName() => Current.Kind == TokenKind.Name ? Next() : throw Unexpected("name");

    public Token Expect(TokenKind kind) => Current.Kind == kind ? Next() : throw Unexpected(new Token(kind, "", 0).Describe());

    public void Enter()
    {
        if (++_depth > MaxDepth)
        {
            throw Fail($"nested more than {MaxDepth} levels deep");
        }

        RenderState.EnsureStack();
    }

    public void Leave() => _depth--;

    public TemplateException Fail(string problem, int line = 0) => SyntaxErrors.At(name, line == 0 ? Current.Line : line, problem);

    private TemplateException Unexpected(string expected) => Current.Kind == TokenKind.End
        ? Fail($"unexpected end of template, expected {StringRepr.Quote(expected)}.")
        : Fail($"expected token {StringRepr.Quote(expected)}, got {StringRepr.Quote(Current.Describe())}");
}
