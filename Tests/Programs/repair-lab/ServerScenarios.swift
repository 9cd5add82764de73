// What a server does when it cannot take the helper that has come.

import Glibc
import Linux
import RepairHelper

/// A server that has no descriptor left does not ask for the waiting helper in every turn, and takes it later.
func fullServer() throws {
    try withScratch { scratch in
        let reactor = try Reactor()
        let server = try RepairServer(path: scratch + "/s.repair", reactor: reactor)
        let client = try UnixSocket.connect(to: scratch + "/s.repair")
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        getrlimit(kind, &limit)
        var none = rlimit(rlim_cur: 3, rlim_max: limit.rlim_max)
        setrlimit(kind, &none)
        var turns = 0
        let end = reactor.nowNanoseconds + 500_000_000
        while reactor.nowNanoseconds < end {
            try reactor.turn(maxWaitNanoseconds: 20_000_000)
            turns += 1
        }
        setrlimit(kind, &limit)
        try require(turns < 1000 && !server.hasHelper, "\(turns) turns in half a second")
        for _ in 0..<1000 where !server.hasHelper { try reactor.turn(maxWaitNanoseconds: 20_000_000) }
        try require(server.hasHelper && client.raw >= 0, "the helper was not taken")
    }
}
