import CLinux
import Glibc
import Testing

@testable import Linux

@Suite("the reactor")
struct ReactorTests {
    @Test("a descriptor that was removed by an earlier handler of the same turn is not told")
    func staleEvent() throws {
        let reactor = try Reactor()
        let events = [try EventDescriptor(), try EventDescriptor()]
        var ids: [WatchID] = []
        var told = 0
        for event in events {
            ids.append(
                try reactor.watch(event.raw, for: .readable) { _ in
                    told += 1
                    for id in ids { reactor.remove(id) }
                })
        }
        for event in events { event.signal() }
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told == 1)
        #expect(reactor.watchCount == 0)
    }

    @Test("a slot that is used again in the same turn does not get its predecessor's event")
    func reusedSlot() throws {
        let reactor = try Reactor()
        let events = [try EventDescriptor(), try EventDescriptor()]
        let quiet = try EventDescriptor()
        var ids: [WatchID] = []
        var quietTold = 0
        for event in events {
            ids.append(
                try reactor.watch(event.raw, for: .readable) { _ in
                    for id in ids { reactor.remove(id) }
                    _ = try? reactor.watch(quiet.raw, for: .readable) { _ in quietTold += 1 }
                })
        }
        for event in events { event.signal() }
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(quietTold == 0)
    }

    @Test("a timer that a timer adds waits for the next turn, even if it is due")
    func timerInTimer() throws {
        let reactor = try Reactor()
        var fired: [Int] = []
        reactor.schedule(atNanoseconds: 0) {
            fired.append(1)
            reactor.schedule(atNanoseconds: 0) { fired.append(2) }
        }
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(fired == [1])
        try reactor.turn(maxWaitNanoseconds: nil)
        #expect(fired == [1, 2])
    }

    @Test("a timer cancelled by an earlier one of the same turn does not fire")
    func timerCancelsTimer() throws {
        let reactor = try Reactor()
        var second: TimerID?
        var fired: [Int] = []
        reactor.schedule(atNanoseconds: 1) {
            fired.append(1)
            if let second { reactor.cancel(second) }
        }
        second = reactor.schedule(atNanoseconds: 2) { fired.append(2) }
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(fired == [1])
        #expect(reactor.timerCount == 0)
    }

    @Test("end-of-turn work that asks for more for ever does not keep the loop from turning")
    func endOfTurnForEver() throws {
        let reactor = try Reactor()
        var rounds = 0
        func again() {
            rounds += 1
            reactor.atEndOfTurn(again)
        }
        reactor.atEndOfTurn(again)
        try reactor.turn(maxWaitNanoseconds: nil)
        #expect(rounds > 0)
        let before = rounds
        try reactor.turn(maxWaitNanoseconds: nil)
        #expect(rounds > before)
    }

    @Test("watching what epoll refuses is an error and leaves no slot behind")
    func refused() throws {
        let reactor = try Reactor()
        let file = FileDescriptor(owning: try check(ne_memfd_create("plain"), "memfd_create"))
        #expect(throws: SystemError.self) { try reactor.watch(file.raw, for: .readable) { _ in } }
        #expect(reactor.watchCount == 0)
    }

    private func socketPair() throws -> (SharedDescriptor, SharedDescriptor) {
        var pair: [CInt] = [0, 0]
        _ = try check(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &pair), "socketpair")
        for fd in pair { _ = ne_set_nonblocking(fd, 1) }
        return (SharedDescriptor(FileDescriptor(owning: pair[0])), SharedDescriptor(FileDescriptor(owning: pair[1])))
    }

    @Test("one descriptor has several watches, and each is told of what it watches for")
    func severalWatches() throws {
        let reactor = try Reactor()
        let (near, far) = try socketPair()
        var told: [String] = []
        let input = try reactor.watch(near.raw, for: .readable) {
            #expect($0 == .readable)
            told.append("input")
        }
        let output = try reactor.watch(near.raw, for: .writable) {
            #expect($0 == .writable)
            told.append("output")
        }
        #expect(reactor.watchCount == 2)
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told == ["output"])
        #expect(write(far.raw, "x", 1) == 1)
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told == ["output", "input", "output"])
        reactor.remove(output)
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told == ["output", "input", "output", "input"])
        reactor.change(input, to: [])
        try reactor.turn(maxWaitNanoseconds: 0)
        reactor.change(input, to: .readable)
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told.count == 5)
        reactor.remove(input)
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told.count == 5)
        #expect(reactor.watchCount == 0)
    }

    @Test("a hang-up is not told to a watch for nothing, and does not wake turn after turn")
    func sleepingWatch() throws {
        let reactor = try Reactor()
        let (near, far) = try socketPair()
        var told = 0
        let id = try reactor.watch(near.raw, for: .readable) { _ in told += 1 }
        reactor.change(id, to: [])
        shutdown(far.raw, CInt(SHUT_RDWR))
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told == 0)
        // The edge is over: this waits to its end.
        let start = ne_monotonic_ns()
        try reactor.turn(maxWaitNanoseconds: 20_000_000)
        #expect(ne_monotonic_ns() - start >= 20_000_000)
        reactor.change(id, to: .readable)
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told == 1)
    }

    @Test("a number that was closed while it was watched can be watched again, and its former watch is over")
    func closedWhileWatched() throws {
        let reactor = try Reactor()
        let number: CInt = 917
        var told: [String] = []
        func watchAndClose() throws -> WatchID {
            let former = try makeEvent(at: number)
            return try reactor.watch(former.raw, for: .readable) { _ in told.append("former") }
        }
        let id = try watchAndClose()
        let next = try makeEvent(at: number)
        _ = try reactor.watch(next.raw, for: .readable) { _ in told.append("next") }
        var one: UInt64 = 1
        #expect(write(next.raw, &one, 8) == 8)
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told == ["next"])
        #expect(reactor.watchCount == 1)
        reactor.remove(id)
        try reactor.turn(maxWaitNanoseconds: 0)
        #expect(told == ["next", "next"])
    }

    /// An eventfd at a number that no other test is given.
    private func makeEvent(at number: CInt) throws -> FileDescriptor {
        let made = FileDescriptor(owning: try check(ne_eventfd(), "eventfd"))
        return FileDescriptor(owning: try check(dup2(made.raw, number), "dup2"))
    }

    @Test("signals of the set are read from the descriptor, one by one")
    func signals() throws {
        let signals = try SignalDescriptor([SIGUSR2, SIGURG])
        #expect(signals.next() == nil)
        pthread_kill(pthread_self(), SIGUSR2)
        pthread_kill(pthread_self(), SIGURG)
        let numbers = [signals.next()?.number, signals.next()?.number]
        #expect(Set(numbers) == [SIGUSR2, SIGURG])
        #expect(signals.next() == nil)
        for number in [SIGUSR2, SIGURG] { _ = ne_default_signal(number) }
    }
}
