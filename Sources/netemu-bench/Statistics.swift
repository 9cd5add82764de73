// Medians and percentiles, and what the kernel says about a process.

import CLinux
import Glibc
import TestSupport

/// The value at `part` (0…1) of the sorted values; 0 when there is none.
func percentile(_ values: [Double], _ part: Double) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return sorted[min(sorted.count - 1, Int(part * Double(sorted.count)))]
}

func median(_ values: [Double]) -> Double { percentile(values, 0.5) }

/// `value` with so many digits after the point.
func fixed(_ value: Double, _ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((value * scale).rounded())
    guard digits > 0 else { return String(scaled) }
    let fraction = String(abs(scaled) % Int(scale))
    return "\(scaled < 0 ? "-" : "")\(abs(scaled) / Int(scale))."
        + String(repeating: "0", count: digits - fraction.count) + fraction
}

/// Seconds of processor time that the first thread of `pid` has had (/proc/PID/schedstat).
func processorTime(of pid: pid_t) -> Double {
    let first = textOfFile("/proc/\(pid)/schedstat")?.split(separator: " ").first
    return (first.flatMap { Double($0) } ?? 0) / 1e9
}

/// Resident anonymous and file-backed memory of `pid` in KiB (/proc/PID/status).
func residentMemory(of pid: pid_t) -> (anonymous: Int, file: Int) {
    var found: [Substring: Int] = [:]
    for line in (textOfFile("/proc/\(pid)/status") ?? "").split(separator: "\n") {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
        if words.count > 1, let value = Int(words[1]) { found[words[0]] = value }
    }
    return (found["RssAnon:"] ?? 0, found["RssFile:"] ?? 0)
}

/// CLOCK_MONOTONIC in nanoseconds.
func monotonic() -> UInt64 { ne_monotonic_ns() }

func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }
