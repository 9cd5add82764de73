// The program: what `netemu ARGUMENTS` does, as a value that its executable calls once.

import Glibc
import Linux
import Synchronization

/// The netemu program.
public enum Program {
    /// Runs netemu with `arguments` (without the program's own name); returns the exit status.
    public static func main(arguments: [String] = ProgramArguments.words) -> Int32 {
        ProcessStart.prepare()
        MessageStyle.current.withLock { $0 = MessageStyle(askedIn: arguments) }
        do throws(OptionError) {
            switch try ConfigurationBuilder.build(arguments) {
            case .print(let text):
                return print(text)
            case .run(var configuration):
                switch StandardStream.input {
                case .terminal: if Terminal.isTerminal(1) { configuration.useTerminal() }
                case .other: configuration.usePipe()
                case .null: break
                }
                try configuration.checkStop()
                configuration.greeting = Greeting(configuration, at: StandardStream.input)
                return run(configuration)
            }
        } catch {
            for message in error.messages { StandardStream.error.tell(message + "\n") }
            return OptionScanner.asksForScript(arguments) ? 125 : 1
        }
    }

    private static func print(_ text: String) -> Int32 {
        guard !StandardStream.output.write(text + "\n") else { return 0 }
        let code = errno
        guard code != EPIPE else { return LifeCycle.brokenPipe }
        StandardStream.error.say("standard output: \(SystemError.reason(code))")
        return 1
    }

    private static func run(_ configuration: Configuration) -> Int32 {
        for warning in configuration.warnings { StandardStream.error.say(warning.message) }
        do throws(EmulationError) {
            let setup = try ProcessSetup(configuration.process, failureStatus: configuration.failureStatus)
            defer { setup.finish() }
            try setup.check(configuration.memory)
            let programs = try NetdevPrograms(configuration)
            defer { programs.minder?.finish() }
            return try run(configuration, programs, setup)
        } catch {
            StandardStream.error.tell(error.message + "\n")
            return configuration.failureStatus
        }
    }

    private static func run(_ configuration: Configuration, _ programs: NetdevPrograms, _ setup: ProcessSetup)
        throws(EmulationError)
        -> Int32
    {
        do {
            let reactor = try Reactor()
            if getenv("NETEMU_SPIN").map({ String(cString: $0) }) != "off" { reactor.spin = .forThisProcess() }
            let doors = Emulation.Doors(programs: programs, voice: .standardError)
            let emulation = try Emulation(configuration, doors, on: reactor)
            let life = emulation.life
            life.onRunning = { () throws(EmulationError) in try setup.running() }
            life.onEnding = {
                setup.ending()
                emulation.ending()
            }
            try setup.prepared()
            programs.minder?.onEnd = { life.minderEnded() }
            try programs.minder?.attach(to: reactor)
            try setup.signals.start(on: reactor) { life.handle($0) }
            try setup.watchStarter(on: reactor) { life.fail(ProcessSetup.abandoned) }
            // Within the loop: what ends the program ends the loop.
            reactor.atEndOfTurn { life.start() }
            try reactor.run()
            emulation.close()
            return life.exitStatus
        } catch let error as EmulationError {
            throw error
        } catch { throw EmulationError(text: "\(error)") }
    }
}
