// A helper that does anything to a server: comes and goes, answers right and wrong, switches some of a batch and dies,
// stalls. Whatever happens, a request ends once, its outcome is true of the sockets, and time brings everything to rest.

import Bytes
import RepairHelper

struct ServerHistory {
    private var script: Script
    private var machine = RepairServerMachine(patience: .seconds(1))
    private var now = Instant(nanoseconds: 1)
    private var hasHelper = false
    /// Of each socket of the request: whether the command has reached it.
    private var isReached: [Bool] = []
    /// The shell's numbering of them.
    private var numbers: [Int] = []
    private var command = RepairCommand.on
    private var isUnderWay = false
    /// What the helper was told and has not answered.
    private var told: (command: RepairCommand, sockets: [Int])?

    init(_ script: Script) { self.script = script }

    mutating func play() {
        while !script.isEmpty {
            step(script.byte())
            demand(machine.isBusy == isUnderWay, "busy: \(machine.isBusy)")
            demand(machine.isBusy || machine.deadline == nil, "waits for nothing")
        }
        for _ in 0..<8 where machine.isBusy { wait(milliseconds: 1500) }
        demand(!machine.isBusy && !isUnderWay, "time does not bring it to rest")
    }

    private mutating func step(_ choice: UInt8) {
        switch choice % 8 {
        case 0: request()
        case 1, 2:
            guard !hasHelper else { return }
            hasHelper = true
            perform(machine.helperConnected(now: now))
        case 3, 4: answer()
        case 5:
            guard hasHelper else { return }
            obeyInPart()
            let byte = script.byte()
            // Right by chance is right: a helper that lies is not found out by the protocol.
            if let told, told.command.byteOnTheWire == byte { obey(told.sockets.count) }
            told = nil
            perform(machine.answered(byte, now: now))
        case 6:
            guard hasHelper else { return }
            obeyInPart()
            hasHelper = false
            told = nil
            perform(machine.helperClosed(now: now))
        default: wait(milliseconds: Int64(script.byte()) * 10)
        }
    }

    private mutating func request() {
        let wanted = RepairCommand.allCases[Int(script.byte()) % 3]
        let count = Int(script.byte()) * 3
        guard !isUnderWay else {
            demand(machine.request(wanted, count: count, now: now).isEmpty, "two requests at a time")
            return
        }
        command = wanted
        isReached = Array(repeating: false, count: count)
        numbers = Array(0..<count)
        isUnderWay = true
        perform(machine.request(wanted, count: count, now: now))
    }

    private mutating func answer() {
        guard hasHelper, let told else { return }
        obey(told.sockets.count)
        self.told = nil
        perform(machine.answered(told.command.byteOnTheWire, now: now))
    }

    private mutating func wait(milliseconds: Int64) {
        now = now + .milliseconds(milliseconds)
        perform(machine.advance(to: now))
    }

    /// The helper switches the first `count` sockets that it was told of.
    private mutating func obey(_ count: Int) {
        guard let told else { return }
        let isForward = (told.command == .on) == (command == .on)
        for socket in told.sockets.prefix(count) { isReached[socket] = isForward }
    }

    private mutating func obeyInPart() { obey(Int(script.byte())) }

    private mutating func perform(_ actions: [RepairServerMachine.Action]) {
        for action in actions {
            switch action {
            case .send(let command, let range):
                demand(hasHelper && told == nil, "speaks to nobody, or out of turn")
                demand(!range.isEmpty && range.count <= repairBatchLimit, "\(range)")
                told = (command, Array(numbers[range]))
            case .closeHelper:
                hasHelper = false
                told = nil
            case .audit(let command):
                demand(command == self.command, "audits another command")
                numbers = numbers.filter { isReached[$0] }
                perform(machine.audited(command, count: numbers.count, now: now))
            case .finish(let outcome): finish(outcome)
            }
        }
    }

    private mutating func finish(_ outcome: RepairServerMachine.Outcome) {
        demand(isUnderWay, "ends twice")
        isUnderWay = false
        switch outcome {
        case .done: demand(isReached.allSatisfy { $0 }, "done, but not all of it")
        case .failed(_, let stillSwitched):
            let count = isReached.count { $0 }
            demand(count <= stillSwitched, "\(count) are switched, \(stillSwitched) are told")
        }
    }
}

extension RepairCommand {
    fileprivate var byteOnTheWire: UInt8 { UInt8(bitPattern: rawValue) }
}
