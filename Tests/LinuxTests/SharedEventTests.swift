// An eventfd whose other holder is hostile: its flags and its counter are his as well.

import Glibc
import TestSupport
import Testing

@testable import Linux

struct SharedEventTests {
    private func fill(_ event: SharedEvent) {
        #expect(fcntl(event.raw, F_SETFL, 0) == 0, "reads and writes of this description wait from now on")
        var most = UInt64.max - 1
        #expect(write(event.raw, &most, 8) == 8)
    }

    @Test("a signal adds to the counter, and wakes who reads")
    func adds() throws {
        let event = try SharedEvent()
        for _ in 0..<1000 { #expect(event.signal()) }
        var count: UInt64 = 0
        #expect(read(event.raw, &count, 8) == 8 && count == 1000)
    }

    @Test("a full counter on a description that waits makes no signal wait")
    func full() throws {
        try mustReturn {
            let event = try SharedEvent()
            fill(event)
            for _ in 0..<1000 { #expect(event.signal()) }
            var count: UInt64 = 0
            #expect(read(event.raw, &count, 8) == 8 && count == .max)
        }
    }

    @Test("what is no eventfd any more is told")
    func notAnEvent() throws {
        let event = try SharedEvent()
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        #expect(dup2(null, event.raw) == event.raw)
        close(null)
        #expect(!event.signal())
    }

    @Test("each signal is told once, and nothing is read")
    func watched() throws {
        try mustReturn {
            let reactor = try Reactor()
            let event = try SharedEvent()
            fill(event)
            var told = 0
            let watch = try event.watch(on: reactor) { told += 1 }
            try reactor.turn(maxWaitNanoseconds: 0)
            try reactor.turn(maxWaitNanoseconds: 0)
            #expect(told == 1, "what came before the watch is told, once")
            for round in 2..<20 {
                #expect(event.signal())
                try reactor.turn(maxWaitNanoseconds: 0)
                try reactor.turn(maxWaitNanoseconds: 0)
                #expect(told == round)
            }
            reactor.remove(watch)
            #expect(event.signal())
            try reactor.turn(maxWaitNanoseconds: 0)
            #expect(told == 19)
        }
    }
}
