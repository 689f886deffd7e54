namespace Conclave.Checkpoints;

/// <summary>How far the opening of a checkpoint is.</summary>
/// <param name="FilesOpened">Files whose headers are read and checked.</param>
/// <param name="Files">All files of the checkpoint.</param>
public readonly record struct CheckpointProgress(int FilesOpened, int Files);
