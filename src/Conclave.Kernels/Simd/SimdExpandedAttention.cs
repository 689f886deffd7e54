using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Conclave.Primitives;

namespace Conclave.Kernels;

/// <summary>
/// Expanded latent attention. A worker takes one head of one span at a time: it expands the keys and values of some segments together, so that they share a decoding of the weights, once for all
/// rows that see them. A score is one chain of fused multiply-adds over the elements of the query, an output element of a segment one over its positions.
/// </summary>
internal sealed unsafe class SimdExpandedAttention<TSimd, TVector> : LatentAttention
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const int Segment = LatentPages.TokensPerBlock;
    private const int TokensAtOnce = 4 * Segment;
    private static int RowsAtOnce => OrderedProduct<TSimd, TVector>.MaxRows;

    /// <inheritdoc/>
    public override void Run(
        in LatentAttentionShape shape,
        TensorView query,
        TensorView expansion,
        in LatentPages pages,
        ReadOnlySpan<AttentionSpan> spans,
        TensorView output,
        WorkerTeam team)
    {
        OperatorShapes.Attention(shape, query, expansion, pages, spans, output);
        int next = -1;
        team.Run(new Work(shape, query, expansion, pages, spans, output, team, &next));
    }

    private readonly ref struct Work(
        LatentAttentionShape shape,
        TensorView query,
        TensorView expansion,
        LatentPages pages,
        ReadOnlySpan<AttentionSpan> spans,
        TensorView output,
        WorkerTeam team,
        int* next) : IWork
    {
        private readonly ReadOnlySpan<AttentionSpan> _spans = spans;

        public void Run(int worker, int workers)
        {
            for (int item = Interlocked.Increment(ref *next); item < _spans.Length * shape.Heads; item = Interlocked.Increment(ref *next))
            {
                (int span, int head) = Math.DivRem(item, shape.Heads);
                Compute(_spans[span], head, worker);
            }
        }

        private void Compute(AttentionSpan span, int head, int worker)
        {
            Room room = new(shape, span.Rows, team, worker);
            int tokens = span.FirstPosition + span.Rows;
            for (int first = 0; first < tokens; first += TokensAtOnce)
            {
                int count = int.Min(TokensAtOnce, tokens - first);
                InputRows latents = ContextSegment<TSimd, TVector>.Rows(pages, span, first / Segment, count, room.Latents, room.Sources);
                TSimd.Project(
                    expansion, (nint)head * shape.HeadRows, shape.HeadRows, latents, count, room.Expanded, room.ExpandedStride, room.Projection);
                for (int token = 0; token < count; token += Segment)
                {
                    int start = first + token;
                    float* expanded = room.Expanded + (token * room.ExpandedStride);
                    TransposeKeys(latents.From(token), expanded, int.Min(Segment, count - token), room);
                    for (int row = int.Max(0, start - span.FirstPosition); row < span.Rows; row += RowsAtOnce)
                    {
                        Update(span, head, row, int.Min(RowsAtOnce, span.Rows - row), start, expanded, room);
                    }
                }
            }

            for (int row = 0; row < span.Rows; row++)
            {
                SegmentSoftmax<TSimd, TVector>.End(room.States[row], Output(span, head, row), shape.ValueDim);
            }
        }

        private float* Output(AttentionSpan span, int head, int row) =>
            output.PointerF32(span.FirstRow + row) + ((nint)head * shape.ValueDim);

        private void TransposeKeys(InputRows latents, float* expanded, int count, Room room)
        {
            float** tokens = stackalloc float*[4];
            for (int t = 0; t < count; t += 4)
            {
                // Tokens behind the last one are it again: what becomes of them is never looked at.
                for (int i = 0; i < 4; i++)
                {
                    tokens[i] = expanded + (int.Min(t + i, count - 1) * room.ExpandedStride);
                }

                Transpose(tokens, shape.NopeDim, room.Keys + t);
                for (int i = 0; i < 4; i++)
                {
                    tokens[i] = latents.Row(int.Min(t + i, count - 1)) + shape.LatentDim;
                }

                Transpose(tokens, shape.RopeDim, room.Keys + ((nint)shape.NopeDim * Segment) + t);
            }
        }

        /// <summary>to[d · 64 + i] = from[i][d] for four i.</summary>
        private static void Transpose(float** from, int dimensions, float* to)
        {
            int d = 0;
            for (; d + 4 <= dimensions; d += 4, to += 4 * Segment)
            {
                Vector128<float> a = Sse.LoadVector128(from[0] + d);
                Vector128<float> b = Sse.LoadVector128(from[1] + d);
                Vector128<float> c = Sse.LoadVector128(from[2] + d);
                Vector128<float> e = Sse.LoadVector128(from[3] + d);
                (Vector128<float> low, Vector128<float> high) = (Sse.UnpackLow(a, b), Sse.UnpackHigh(a, b));
                (Vector128<float> otherLow, Vector128<float> otherHigh) = (Sse.UnpackLow(c, e), Sse.UnpackHigh(c, e));
                Sse.Store(to, Sse.MoveLowToHigh(low, otherLow));
                Sse.Store(to + Segment, Sse.MoveHighToLow(otherLow, low));
                Sse.Store(to + (2 * Segment), Sse.MoveLowToHigh(high, otherHigh));
                Sse.Store(to + (3 * Segment), Sse.MoveHighToLow(otherHigh, high));
            }

            for (; d < dimensions; d++, to += Segment)
            {
                for (int i = 0; i < 4; i++)
                {
                    to[i] = from[i][d];
                }
            }
        }

        /// <summary>Takes a segment into the outputs of a few rows, which hold the state's weighted sum until the end.</summary>
        private void Update(AttentionSpan span, int head, int firstRow, int rows, int start, float* expanded, Room room)
        {
            int* visible = stackalloc int[RowsAtOnce];
            int* dimensions = stackalloc int[RowsAtOnce];
            for (int i = 0; i < rows; i++)
            {
                visible[i] = int.Min(Segment, span.FirstPosition + firstRow + i + 1 - start);
                dimensions[i] = shape.QueryDim;
            }

            // Scores of positions that a row does not see are computed for the others' sake and ignored.
            float* q = query.PointerF32(span.FirstRow + firstRow) + ((nint)head * shape.QueryDim);
            OrderedProduct<TSimd, TVector>.Run(
                q, query.RowStride, rows, dimensions, room.Keys, Segment, visible[rows - 1], room.Scores, Segment, accumulate: false);
            SegmentSoftmax<TSimd, TVector>.Sums* sums = stackalloc SegmentSoftmax<TSimd, TVector>.Sums[RowsAtOnce];
            for (int i = 0; i < rows; i++)
            {
                sums[i] = SegmentSoftmax<TSimd, TVector>.Weigh(room.Scores + (i * Segment), visible[i], shape.Scale);
            }

            OrderedProduct<TSimd, TVector>.Run(
                room.Scores,
                Segment,
                rows,
                visible,
                expanded + shape.NopeDim,
                room.ExpandedStride,
                shape.ValueDim,
                room.Part,
                shape.ValueDim,
                accumulate: false);
            for (int i = 0; i < rows; i++)
            {
                SegmentSoftmax<TSimd, TVector>.Join(
                    ref room.States[firstRow + i],
                    Output(span, head, firstRow + i),
                    sums[i],
                    room.Part + ((nint)i * shape.ValueDim),
                    shape.ValueDim,
                    first: start == 0);
            }
        }
    }

    /// <summary>A worker's scratch memory for one head of one span.</summary>
    private readonly struct Room
    {
        public Room(in LatentAttentionShape shape, int rows, WorkerTeam team, int worker)
        {
            // Off the powers of two that models choose: tokens a multiple of 1 KiB apart would share few sets of the first-level cache.
            ExpandedStride = shape.HeadRows + 16;
            ScratchLayout layout = default;
            nint latents = layout.Floats((nint)TokensAtOnce * shape.CacheDim);
            nint sources = layout.Bytes(TokensAtOnce * sizeof(int));
            nint expanded = layout.Floats(TokensAtOnce * ExpandedStride);
            nint keys = layout.Floats((nint)Segment * shape.QueryDim);
            nint scores = layout.Floats(RowsAtOnce * Segment);
            nint part = layout.Floats((nint)RowsAtOnce * shape.ValueDim);
            nint states = layout.Bytes((nint)rows * sizeof(SegmentSoftmax<TSimd, TVector>.Sums));
            nint projection = layout.Bytes(TSimd.ProjectionScratch(shape.LatentDim, TokensAtOnce));
            byte* memory = team.Scratch(worker, layout.Size);
            Latents = (float*)(memory + latents);
            Sources = (int*)(memory + sources);
            Expanded = (float*)(memory + expanded);
            Keys = (float*)(memory + keys);
            Scores = (float*)(memory + scores);
            Part = (float*)(memory + part);
            States = (SegmentSoftmax<TSimd, TVector>.Sums*)(memory + states);
            Projection = memory + projection;
        }

        /// <summary>Latents that had to be widened.</summary>
        public float* Latents { get; }

        /// <summary>Where in the cache the latents of tokens are.</summary>
        public int* Sources { get; }

        /// <summary>[256, HeadRows]: keys without rotary part, then values, of each token.</summary>
        public float* Expanded { get; }

        /// <summary>Elements from one token's keys and values to the next.</summary>
        public nint ExpandedStride { get; }

        /// <summary>[QueryDim, 64].</summary>
        public float* Keys { get; }

        public float* Scores { get; }

        public float* Part { get; }

        public SegmentSoftmax<TSimd, TVector>.Sums* States { get; }

        public byte* Projection { get; }
    }
}
