namespace Conclave.Primitives;

/// <summary>
/// A mistake in what a person gave the program: a file, an option, a request. The message says what was wrong (with the value), where
/// (file, tensor, field) and what to do next. Programs print the message alone, without a stack trace, and exit with 2.
/// </summary>
public sealed class UserErrorException : Exception
{
    /// <summary>Creates the error with the sentence that the person will read.</summary>
    public UserErrorException(string message) : base(message)
    {
    }

    /// <summary>Creates the error with the sentence that the person will read and what caused it.</summary>
    public UserErrorException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
