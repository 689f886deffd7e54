namespace Conclave.Server.Http;

/// <summary>Nobody reads the response any more. The connection may tell so before the request's token is cancelled, which happens on another thread.</summary>
internal sealed class ClientGoneException() : OperationCanceledException("the client has gone");
