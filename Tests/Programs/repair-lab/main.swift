// The laboratory of TCP_REPAIR: `repair-lab NAME...` runs scenarios, each in a process and in network
// namespaces of its own, eight at a time; `repair-lab --list` names them, `--measure` times moves. It must own its network
// namespace: start it with `unshare -Urn` (anyone) or `unshare -n` (root).

import Glibc
import Linux
import RepairHelper

/// netemu-repair itself; `--without CALL` takes an entry out of its sandbox's list.
func runHelper(_ words: [String]) -> Int32 {
    guard words.first == "--without", words.count > 1 else { return HelperProgram.main(arguments: words) }
    let calls = HelperSandbox.systemCalls.filter { $0 != words[1] }
    return HelperProgram.main(arguments: Array(words.dropFirst(2)), systemCalls: calls)
}

func start(_ scenario: Scenario) -> pid_t {
    fflush(nil)
    let child = fork()
    guard child == 0 else { return child }
    do {
        try scenario.run()
        exit(0)
    } catch {
        print("\(scenario.name): \(error)")
        exit(1)
    }
}

func runAll(_ scenarios: [Scenario]) -> Int32 {
    // A thousand flows have both their ends in one process; 1,024 descriptors are the usual soft limit.
    _ = ProcessAttributes.raiseDescriptorLimit()
    var waiting = scenarios[...]
    var running: [pid_t: String] = [:]
    var result: Int32 = 0
    while !waiting.isEmpty || !running.isEmpty {
        while running.count < 8, let next = waiting.popFirst() { running[start(next)] = next.name }
        var status: CInt = 0
        guard let name = running.removeValue(forKey: wait(&status)) else { continue }
        print(status == 0 ? "ok \(name)" : "FAILED \(name)")
        if status != 0 { result = 1 }
    }
    return result
}

let names = Array(CommandLine.arguments.dropFirst())
switch names.first {
case "--list":
    for scenario in Scenario.all { print(scenario.name) }
case "--measure":
    do { try Measure.run(Array(names.dropFirst())) } catch {
        print("repair-lab: \(error)")
        exit(1)
    }
case "--helper":
    exit(runHelper(Array(names.dropFirst())))
default:
    exit(runAll(Scenario.all.filter { names.isEmpty || names.contains($0.name) }))
}
