using System.Text.Json;
using Conclave.Primitives;

namespace Conclave.Text;

/// <summary>
/// A chat template: Jinja as transformers sets it up (sandboxed and immutable, <c>trim_blocks</c>, <c>lstrip_blocks</c>, loop controls, the
/// <c>generation</c> block, <c>tojson</c> without HTML escapes, <c>raise_exception</c>, <c>strftime_now</c>), interpreted. Output and error
/// messages are those of Jinja2 3.1 on Python 3.11. A template is immutable: any number of threads can render it.
/// </summary>
public sealed class ChatTemplate
{
    private readonly IReadOnlyList<Statement> _statements;
    private readonly IReadOnlyList<ScopeLoad> _loads;
    private readonly int _slots;

    private ChatTemplate(string name, IReadOnlyList<Statement> statements, int slots, IReadOnlyList<ScopeLoad> loads)
    {
        Name = name;
        _statements = statements;
        _slots = slots;
        _loads = loads;
    }

    /// <summary>What the template is called in messages: its file, as a rule.</summary>
    public string Name { get; }

    /// <summary>Parses a template.</summary>
    /// <param name="source">The text of the template.</param>
    /// <param name="name">What to call it in messages.</param>
    /// <exception cref="TemplateException">
    /// The text is not a template (<see cref="TemplateErrorKind.TemplateSyntaxError"/>; the message names template and line), or it is nested
    /// too deeply.
    /// </exception>
    public static ChatTemplate Parse(string source, string name)
    {
        IReadOnlyList<Statement> statements = TemplateParser.Parse(source, name);
        (int slots, IReadOnlyList<ScopeLoad> loads) = Binder.Bind(statements, name);
        return new ChatTemplate(name, statements, slots, loads);
    }

    /// <summary>Renders the template.</summary>
    /// <param name="variables">A JSON object: <c>messages</c>, <c>tools</c>, <c>add_generation_prompt</c>, <c>bos_token</c> and so on.</param>
    /// <param name="limits">What the rendering may use; <see cref="TemplateLimits.Default"/> if absent.</param>
    /// <param name="clock">What <c>strftime_now</c> reads; the system's clock if absent.</param>
    /// <exception cref="TemplateException">The template raised an error or went beyond its limits.</exception>
    /// <exception cref="UserErrorException">The variables are no object, or hold what is not valid Unicode.</exception>
    public string Render(JsonElement variables, TemplateLimits? limits = null, TimeProvider? clock = null)
    {
        RenderState state = new(limits ?? TemplateLimits.Default, clock ?? TimeProvider.System);
        try
        {
            Activation activation = new(state, new VariableReader(state).ReadObject(variables), _slots, null);
            activation.Enter(_loads);
            TextBuffer output = new(state);
            Statement.ExecuteAll(_statements, activation, output);
            return output.ToString();
        }
        catch (TemplateException e) when (e.Line == 0)
        {
            e.Line = state.Line;
            throw;
        }
    }
}
