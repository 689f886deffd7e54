namespace Conclave.Server;

internal static partial class Log
{
    [LoggerMessage(LogLevel.Error, "{Method} {Path} failed")]
    public static partial void Failed(ILogger logger, string method, string path, Exception error);

    [LoggerMessage(LogLevel.Warning, "a request has tools, and this model's chat template does not tell the model of them: it can only guess. --chat-template takes a template that lists them. (Said once.)")]
    public static partial void ToolsAreNotShown(ILogger logger);
}
