//! What is known of the machine, in the order of the module's table; file systems are beside it.

use crate::collect::process::catalogue;

catalogue! { Key:
    Gauge Load1 "botwatch_host_load1" "Load average over 1 minute.";
    Gauge Load5 "botwatch_host_load5" "Load average over 5 minutes.";
    Gauge Load15 "botwatch_host_load15" "Load average over 15 minutes.";
    Gauge MemoryTotal "botwatch_host_memory_total_bytes" "Memory.";
    Gauge MemoryAvailable "botwatch_host_memory_available_bytes" "Memory that can be had without swapping.";
    Gauge SwapTotal "botwatch_host_swap_total_bytes" "Swap space.";
    Gauge SwapFree "botwatch_host_swap_free_bytes" "Unused swap space.";
    Gauge BootTime "botwatch_host_boot_time_seconds" "Start of the machine, seconds since the Unix epoch.";
    Gauge Uptime "botwatch_host_uptime_seconds" "Time since its start.";
    Gauge Cpus "botwatch_host_cpus" "Processors online.";
    Counter CpuUser "botwatch_host_cpu_seconds_total" {"mode" = "user"} "Processor time, all processors together.";
    Counter CpuNice "botwatch_host_cpu_seconds_total" {"mode" = "nice"} "Processor time, all processors together.";
    Counter CpuSystem "botwatch_host_cpu_seconds_total" {"mode" = "system"} "Processor time, all processors together.";
    Counter CpuIdle "botwatch_host_cpu_seconds_total" {"mode" = "idle"} "Processor time, all processors together.";
    Counter CpuIowait "botwatch_host_cpu_seconds_total" {"mode" = "iowait"} "Processor time, all processors together.";
    Counter CpuIrq "botwatch_host_cpu_seconds_total" {"mode" = "irq"} "Processor time, all processors together.";
    Counter CpuSoftirq "botwatch_host_cpu_seconds_total" {"mode" = "softirq"} "Processor time, all processors together.";
    Counter CpuSteal "botwatch_host_cpu_seconds_total" {"mode" = "steal"} "Processor time, all processors together.";
    Gauge CpuUsage "botwatch_host_cpu_usage_ratio" "Share of all processors' time since the last look that was neither idle nor waiting, 0 to 1.";
    Counter ContextSwitches "botwatch_host_context_switches_total" "Of all processes.";
    Gauge ProcsRunning "botwatch_host_procs_running" "Tasks that run or could.";
    Gauge ProcsBlocked "botwatch_host_procs_blocked" "Tasks that wait for a device.";
    Gauge FilefdAllocated "botwatch_host_filefd_allocated" "Open files of all processes.";
    Gauge FilefdMaximum "botwatch_host_filefd_maximum" "The limit of it.";
    Counter OomKills "botwatch_host_oom_kills_total" "Processes killed for want of memory, in cgroups too.";
    Gauge PressureSomeAvg10Cpu "botwatch_host_pressure_some_avg10_ratio" {"resource" = "cpu"} "Share of the last 10 s in which some task waited, 0 to 1.";
    Gauge PressureSomeAvg10Memory "botwatch_host_pressure_some_avg10_ratio" {"resource" = "memory"} "Share of the last 10 s in which some task waited, 0 to 1.";
    Gauge PressureSomeAvg10Io "botwatch_host_pressure_some_avg10_ratio" {"resource" = "io"} "Share of the last 10 s in which some task waited, 0 to 1.";
    Counter PressureWaitingCpu "botwatch_host_pressure_waiting_seconds_total" {"resource" = "cpu"} "Time in which some task waited.";
    Counter PressureWaitingMemory "botwatch_host_pressure_waiting_seconds_total" {"resource" = "memory"} "Time in which some task waited.";
    Counter PressureWaitingIo "botwatch_host_pressure_waiting_seconds_total" {"resource" = "io"} "Time in which some task waited.";
    Counter PressureStalledCpu "botwatch_host_pressure_stalled_seconds_total" {"resource" = "cpu"} "Time in which all tasks waited.";
    Counter PressureStalledMemory "botwatch_host_pressure_stalled_seconds_total" {"resource" = "memory"} "Time in which all tasks waited.";
    Counter PressureStalledIo "botwatch_host_pressure_stalled_seconds_total" {"resource" = "io"} "Time in which all tasks waited.";
}
