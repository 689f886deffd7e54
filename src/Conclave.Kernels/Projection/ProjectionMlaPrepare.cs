using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// <see cref="MlaPrepare"/> in two passes of the team. The first computes both down-projections as if they were one matrix. In the second, every worker
/// normalizes all compressed queries for itself, which costs less than waiting for each other, takes whole heads of the up-projection and turns
/// their rotary parts while these are in its cache; the latents of some tokens are normalized, turned and stored. Without a query bottleneck the first pass
/// computes the heads.
/// </summary>
internal sealed unsafe class ProjectionMlaPrepare<TProjection, TSimd, TVector> : MlaPrepare
    where TProjection : struct, IProjection
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const nint Alignment = 64;

    /// <inheritdoc/>
    public override void Run(
        in LatentAttentionShape shape,
        in MlaPrepareWeights weights,
        TensorView input,
        in RotaryAngles angles,
        in LatentPages pages,
        ReadOnlySpan<nint> cacheRows,
        TensorView query,
        WorkerTeam team)
    {
        OperatorShapes.MlaPrepare(shape, weights, input, angles, pages, cacheRows, query);
        if (input.Rows == 0)
        {
            return;
        }

        int tokens = checked((int)input.Rows);
        nint rank = weights.QueryRank;

        // What the passes share lies before the first worker's own scratch memory.
        nint latentBytes = Aligned(checked(tokens * (nint)shape.CacheDim * sizeof(float)));
        nint compressedBytes = Aligned(checked(tokens * rank * sizeof(float)));
        nint shared = checked(latentBytes + compressedBytes);
        nint own = checked(compressedBytes + TProjection.ScratchBytes(nint.Max(input.Columns, rank), tokens));
        byte* memory = team.Scratch(0, checked(shared + own));
        float* latents = (float*)memory;
        float* compressed = (float*)(memory + latentBytes);
        Scratch scratch = new(team, memory + shared, own);
        Heads heads = new(shape, weights.QueryUp, angles, query, tokens);
        int next = -1;
        team.Run(new DownPass(weights, heads, input, latents, compressed, scratch, &next));
        next = -1;
        fixed (nint* rows = cacheRows)
        {
            LatentPass finish = new(shape, weights, angles, pages, rows, latents, tokens);
            if (weights.QueryDown is not null)
            {
                team.Run(new UpPass(weights, heads, finish, compressed, compressedBytes, scratch, &next));
            }
            else if (tokens == 1)
            {
                finish.Run(0, 1);
            }
            else
            {
                team.Run(finish);
            }
        }
    }

    private static nint Aligned(nint bytes) => (bytes + Alignment - 1) & -Alignment;

    /// <summary>Each worker's own memory; the first one's lies behind what is shared.</summary>
    private readonly struct Scratch(WorkerTeam team, byte* first, nint bytes)
    {
        public byte* Of(int worker) => worker == 0 ? first : team.Scratch(worker, bytes);
    }

    /// <summary>The projection whose rows are heads of queries, divided into whole heads.</summary>
    private readonly struct Heads(LatentAttentionShape shape, TensorView projection, RotaryAngles angles, TensorView query, int tokens)
    {
        public WorkParts Parts(int workers) => new(projection.ByteLength, tokens, workers, shape.Heads);

        public void Run(in WorkParts parts, int part, InputRows input, byte* scratch)
        {
            (nint first, nint end) = parts.Of(shape.Heads, part);
            nint row = first * shape.QueryDim;
            float* output = query.PointerF32(0) + row;
            TProjection.Run(projection, row, (end - first) * shape.QueryDim, input, tokens, output, query.RowStride, scratch);
            for (int token = 0; token < tokens; token++)
            {
                float* rotary = output + (token * query.RowStride) + shape.NopeDim;
                for (nint head = first; head < end; head++, rotary += shape.QueryDim)
                {
                    SimdRotary<TSimd, TVector>.TurnPairs(
                        rotary, shape.RopeDim / 2, angles.Cos.PointerF32(token), angles.Sin.PointerF32(token), angles.Interleaved);
                }
            }
        }
    }

    private readonly struct DownPass(
        MlaPrepareWeights weights, Heads heads, TensorView input, float* latents, float* compressed, Scratch scratch, int* next) : IWork
    {
        public void Run(int worker, int workers)
        {
            int tokens = (int)input.Rows;
            WorkParts queryParts = weights.QueryDown is { } down ? new WorkParts(down.ByteLength, tokens, workers) : heads.Parts(workers);
            WorkParts latentParts = new(weights.LatentDown.ByteLength, tokens, workers);
            InputRows rows = new((nint)input.PointerF32(0), input.RowStride);
            byte* own = scratch.Of(worker);
            for (int part = Interlocked.Increment(ref *next); part < queryParts.Count + latentParts.Count; part = Interlocked.Increment(ref *next))
            {
                if (part >= queryParts.Count)
                {
                    ProjectionMatMul<TProjection>.RunPart(
                        weights.LatentDown, latentParts, part - queryParts.Count, rows, tokens, latents, weights.LatentDown.Rows, own);
                }
                else if (weights.QueryDown is { } matrix)
                {
                    ProjectionMatMul<TProjection>.RunPart(matrix, queryParts, part, rows, tokens, compressed, matrix.Rows, own);
                }
                else
                {
                    heads.Run(queryParts, part, rows, own);
                }
            }
        }
    }

    private readonly struct UpPass(
        MlaPrepareWeights weights, Heads heads, LatentPass finish, float* compressed, nint compressedBytes, Scratch scratch, int* next) : IWork
    {
        public void Run(int worker, int workers)
        {
            byte* own = scratch.Of(worker);
            float* normalized = (float*)own;
            WorkParts parts = heads.Parts(workers);
            finish.Run(worker, workers);
            bool isNormalized = false;
            for (int part = Interlocked.Increment(ref *next); part < parts.Count; part = Interlocked.Increment(ref *next))
            {
                if (!isNormalized)
                {
                    Normalize(normalized);
                    isNormalized = true;
                }

                heads.Run(parts, part, new InputRows((nint)normalized, weights.QueryRank), own + compressedBytes);
            }
        }

        private void Normalize(float* normalized)
        {
            nint rank = weights.QueryRank;
            for (int token = 0; token < finish.Tokens; token++)
            {
                SimdRmsNorm<TSimd, TVector>.Row(
                    compressed + (token * rank), weights.QueryNorm.PointerF32(0), weights.Epsilon, normalized + (token * rank), rank);
            }
        }
    }

    /// <summary>Latents of the worker's tokens: normalized, turned, stored.</summary>
    private readonly struct LatentPass(
        LatentAttentionShape shape, MlaPrepareWeights weights, RotaryAngles angles, LatentPages pages, nint* cacheRows, float* latents, int tokens) : IWork
    {
        public int Tokens => tokens;

        public void Run(int worker, int workers)
        {
            (nint first, nint end) = WorkRange.Of(tokens, worker, workers);
            for (nint token = first; token < end; token++)
            {
                float* latent = latents + (token * shape.CacheDim);
                SimdRmsNorm<TSimd, TVector>.Row(latent, weights.LatentNorm.PointerF32(0), weights.Epsilon, latent, shape.LatentDim);
                SimdRotary<TSimd, TVector>.TurnPairs(
                    latent + shape.LatentDim, shape.RopeDim / 2, angles.Cos.PointerF32(token), angles.Sin.PointerF32(token), angles.Interleaved);
                SimdCodec<TSimd, TVector>.EncodeRow(latent, shape.CacheDim, pages.Format, pages.TokenPointer(cacheRows[token]));
            }
        }
    }
}
