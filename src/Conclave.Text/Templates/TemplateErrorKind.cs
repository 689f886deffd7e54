namespace Conclave.Text;

/// <summary>The Python exception that Jinja2 would raise for the same template and variables.</summary>
public enum TemplateErrorKind
{
    /// <summary>The template called <c>raise_exception</c>.</summary>
    TemplateError,

    /// <summary>The text is not a template; it carries the line.</summary>
    TemplateSyntaxError,

    /// <summary>A filter or test that does not exist, assignment to something that is no namespace, and the like.</summary>
    TemplateRuntimeError,

    /// <summary>Arguments that a filter refuses.</summary>
    FilterArgumentError,

    /// <summary>Something was asked of a value that is not defined.</summary>
    UndefinedError,

    /// <summary>An access that the sandbox refuses.</summary>
    SecurityError,

    /// <summary>Python's TypeError.</summary>
    TypeError,

    /// <summary>Python's ValueError.</summary>
    ValueError,

    /// <summary>Python's KeyError.</summary>
    KeyError,

    /// <summary>Python's IndexError.</summary>
    IndexError,

    /// <summary>Python's AttributeError.</summary>
    AttributeError,

    /// <summary>Python's ZeroDivisionError.</summary>
    ZeroDivisionError,

    /// <summary>Python's OverflowError, also for ranges longer than the sandbox allows.</summary>
    OverflowError,

    /// <summary>Python's AssertionError.</summary>
    AssertionError,

    /// <summary>Python's RuntimeError.</summary>
    RuntimeError,

    /// <summary>Values, calls or statements nested too deeply.</summary>
    RecursionError,

    /// <summary>The template used up the steps, the output or the size of a value that <see cref="TemplateLimits"/> grants. Has no counterpart in Python.</summary>
    LimitError,
}
