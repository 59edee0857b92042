// Package ratelimit paces requests to a server that limits them and says so in
// X-RateLimit headers, so that a job uses all of its share and nobody else
// notices.
//
//	client := &http.Client{Transport: &ratelimit.Transport{Reserve: reserve}}
//
// The Transport alone handles 429 and Retry-After. A caller that is refused may
// send again at once: the Transport holds the request until it has a chance.
//
// # How it decides
//
// A limit is a bucket of permissions. Each request takes one; they come back
// continuously, or at the full second or minute. Auth0's documents contradict
// each other about which, so the limiter assumes nothing and measures.
//
// Credit. The limiter keeps one number for the limit that the last answer showed:
//
//	credit = Remaining − sent since + refill − kept for others
//
// "Sent since" counts the requests that left after the one that was answered; the
// server may or may not have counted them, so all are subtracted. A request leaves
// when there is credit for it. Each answer corrects the number, so errors don't
// add up. Only the answer to the newest request is used, so answers may overtake
// each other.
//
// Refill. The sum of Remaining and what we took is not changed by our own
// requests. It rises as permissions come back and falls as others use them. Its
// slope over the last seconds is what others leave for us: when they get busy, we
// yield.
//
// Pace. Credit is used within two seconds, but no faster than it comes back; what is
// beyond that is spread over the time to the reset, 1 to 10 s. So jobs that share
// a limit come to use equal parts, nothing leaves in bursts, and a window is used
// gently.
//
// Reserve. A bucket that refills continuously does so equally fast at any level.
// So the refill of 3 s is left in it, at most 40 %, which costs a job 3 s once. In
// a window that starts full, what is kept is lost, and only the reserve is kept. So it is
// in a bucket that fills up in a second, where what overflows is lost.
//
// Two limits. A server with several limits shows the one with the least left. When
// another one is shown, what was learnt of the last is forgotten. Less is kept of
// a large limit beside a small one, or the large one would never be shown: of 200
// a minute beside 20 a second, 14.
//
// Probes. When nothing is left and no refill is known, one request is sent at the
// reset to find out. If the reset is far off, it may be the time when the bucket is
// full, so one request is sent earlier too. Probes that find nothing become rarer.
//
// Nothing known. Before the first answer one request is sent alone. Without
// headers the pace starts at 4 a second and grows by 15 % a second until a
// request is refused.
//
// Answers without headers. Auth0 sends none with a 400, 401 or 404. Their requests
// count as taken, and nothing is learnt from them: to look for the limit instead
// was measured, and others were refused for it.
//
// Wrong headers. What is left does not count once six requests in a row were served, each
// after the answer to the one before, and it never changed. They count again when it does.
//
// In flight. A pace needs pace times latency requests in flight. At most twice that
// are, by the pace in the long run, so that a server that becomes slow does not get
// hundreds. Until the refill is known, a bucket is taken to fill up in six seconds, as
// those of Auth0's endpoints do; one that stays full gets more, and so does a window
// that ends soon. A request hangs if one that left eight latencies later has been
// answered; it does not count. If nothing is answered for so long, one more leaves.
//
// Refusals. If Remaining is zero, we counted on refill that did not come: trust in
// the refill is halved, and grows back by 0.2 % an answer. If the headers did not
// announce the refusal, it comes from a limit that they do not show. Then all
// requests wait a second. Between two such refusals exactly the refill of that
// limit was used: 97 % of it is the pace from then on. The pace rises slowly until
// the limit refuses again, about once in 400 requests. If the measured pace halves,
// the refusals do not come from a limit, and cost only their second. A Retry-After
// on a 429 or 503 holds all requests.
//
// Clocks. The reset is a time by the server's clock. The Date header tells how far
// that clock is from ours.
//
// # What it cannot do
//
// Others may go below the reserve. A limit that no header shows costs refusals.
// Answers are as old as a round trip, so in windows of a second some permissions
// are lost, and not all of a window that ends within two seconds is used. The
// benchmark has the figures: go test ./ratelimit -run Benchmark -full -v
package ratelimit
