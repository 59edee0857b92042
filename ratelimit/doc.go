// Package ratelimit paces requests to a server that limits them and says so in
// X-RateLimit headers, so that a job uses all of its share and nobody else
// notices.
//
//	client := &http.Client{Transport: &ratelimit.Transport{Reserve: reserve}}
//
// It alone decides about 429 and Retry-After: whoever is refused may send again
// at once, for the Transport waits until there is a chance.
//
// # How it decides
//
// A limit is a bucket of permissions. Each request takes one; they come back
// continuously, or at the full second or minute. Auth0's documents say all of
// that in different places, so nothing is assumed: it is measured.
//
// Credit. After each answer one number is kept for the limit that it shows:
//
//	credit = Remaining − sent since + refill − kept for others
//
// Sent since are the requests that left after the one that was answered. They may
// not have been counted yet, so they are taken as counted. A request leaves when
// there is credit. As every answer corrects the number, no error adds up; and as
// only the answer to the newest request counts, answers may overtake each other.
//
// Refill. Remaining plus what we took does not change by our own requests. It
// rises as permissions come back and falls as others use them. Its slope over the
// last seconds is what is left over for us: when others get busy we yield.
//
// Pace. Credit is used within a second, but no faster than it comes back; what is
// beyond that is spread over the time to the reset, 1 to 10 s. So jobs that share
// a limit come to use equal parts, nothing leaves in bursts, and a window is used
// gently.
//
// Reserve. A bucket that drips fills as fast at one level as at another. So what
// 3 s bring back is left in it, at most 40 %, which costs 3 s once. In a window,
// what is kept is lost, and so is what a bucket can't hold that fills within two
// seconds: there just the reserve is kept.
//
// Two limits. A server with several shows the one with the least left. What was
// learnt of one is forgotten when another is shown. What is kept of a large limit
// is lowered to what can be seen beside a small one: of 200 a minute beside 20 a
// second, to 14.
//
// Probes. When nothing is left and nothing is known to come back, one request is
// sent to see: at the reset, and, if that is far and may mean "full", once before.
// Probes in vain become rarer.
//
// Nothing known. Before the first answer one request is sent alone. Without
// headers the pace starts at 4 a second and grows by 15 % a second until a
// request is refused.
//
// Answers without headers. Auth0 sends none with a 400, 401 or 404. Such an answer
// still shows that its request was served. If only such answers have come since
// the reset, credit has nothing to go by: once it is used up, the pace grows as
// above, and a refusal counts as one that no header announced.
//
// Refusals. One with a Remaining of zero says that we trusted in refill that did
// not come: trust is halved, and grows back by 0.2 % an answer. One that no header
// announced comes from a limit that is not shown. All wait a second. Between two
// of these just that limit's refill was used: so much, less 3 %, is the pace from
// then on, and rises slowly until the limit is felt again, about once in 400
// requests. If that pace halves, the refusals do not come from a limit: they then
// cost their second, and no more. A Retry-After, on a 429 or 503, holds everybody.
//
// Clocks. Only the reset is a time, by the server's clock. The Date of its answers
// tells how far that is from ours.
//
// # What it cannot do
//
// Others may go below the reserve. A limit that no header shows costs refusals.
// Answers are as old as a round trip, so in windows of a second some permissions
// are lost, and not all of a window that ends within two seconds is used. The
// benchmark has the figures: go test ./ratelimit -run Benchmark -full -v
package ratelimit
