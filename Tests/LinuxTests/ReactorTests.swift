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
