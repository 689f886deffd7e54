namespace Conclave.Primitives;

/// <summary>
/// A mistake in what a person gave the program: a file, an option, a request. The message says what was wrong (with the value), where
/// (file, tensor, field) and what to do next. Programs print the message alone, without a stack trace, and exit with 2.
/// </summary>
public sealed class UserErrorException : Exception
{
    private readonly IReadOnlyList<string>? _lines;

    /// <summary>Creates the error with the sentence that the person will read.</summary>
    public UserErrorException(string message) : base(message)
    {
    }

    /// <summary>Creates the error with a list that the person will read: what it is about, then each thing that is wrong on a line of its own.</summary>
    public UserErrorException(IReadOnlyList<string> lines) : base(string.Join('\n', lines)) => _lines = lines;

    /// <summary>Creates the error with the sentence that the person will read and what caused it.</summary>
    public UserErrorException(string message, Exception innerException) : base(message, innerException)
    {
    }

    /// <summary>The lines of the message. A line feed within one of them belongs to a value that was wrong, and begins no line.</summary>
    public IReadOnlyList<string> Lines => _lines ?? [Message];
}
