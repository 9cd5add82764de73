// A listening socket on a reactor: connections one a turn, pauses, and what happens when none can be taken.

import CLinux
import Glibc
import Testing

@testable import Linux

@Suite("taking connections")
struct AcceptorTests {
    private let reactor: Reactor
    private let scratch: Scratch
    init() throws {
        reactor = try Reactor()
        scratch = try Scratch()
    }

    private func listener() throws -> SharedDescriptor {
        SharedDescriptor(try UnixSocket.listen(at: scratch.path + "/s"))
    }

    @Test("each connection is given once; while it is paused they wait")
    func connections() throws {
        let acceptor = try Acceptor(listener(), on: reactor)
        var taken: [SharedDescriptor] = []
        acceptor.onConnection = { taken.append($0) }
        let first = try UnixSocket.connect(to: scratch.path + "/s")
        #expect(try reactor.turn { taken.count == 1 })
        acceptor.isPaused = true
        let second = try UnixSocket.connect(to: scratch.path + "/s")
        for _ in 0..<5 { try reactor.turn(maxWaitNanoseconds: 1_000_000) }
        #expect(taken.count == 1)
        acceptor.isPaused = false
        #expect(try reactor.turn { taken.count == 2 })
        #expect(first.raw >= 0 && second.raw >= 0)
    }

    @Test("after an error it rests and asks again; a turn in between is left alone")
    func rest() throws {
        // Readable for ever, and accept4(2) is an error.
        let (socket, peer) = try UnixSocket.pair()
        #expect(try UnixSocket.send(peer.raw, message: [1]))
        let acceptor = try Acceptor(socket, on: reactor)
        try reactor.turn(maxWaitNanoseconds: 20_000_000_000)
        #expect(acceptor.isResting && reactor.timerCount == 1)
        // The rest is over, and the next one begins.
        #expect(try reactor.turn { !acceptor.isResting })
        #expect(try reactor.turn { acceptor.isResting })
        acceptor.isPaused = true
        #expect(try reactor.turn { !acceptor.isResting })
        try reactor.turn(maxWaitNanoseconds: 1_000_000)
        #expect(!acceptor.isResting, "paused: it is not asked")
        acceptor.stop()
        #expect(reactor.timerCount == 0 && reactor.watchCount == 0)
    }

    @Test("a thread that cannot be made for a name leaves nothing behind")
    func noThread() throws {
        weak var box: PendingLookup.Box?
        do {
            let made = try PendingLookup.Box(InternetName(host: "localhost", port: "1"), isPassive: false)
            box = made
            #expect(throws: SystemError(call: "pthread_create", code: EAGAIN)) {
                try PendingLookup.startThread(made, stackSize: 1 << 46)
            }
        }
        #expect(box == nil)
    }
}
