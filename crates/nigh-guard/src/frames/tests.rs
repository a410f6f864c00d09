//! Rows: names and backtraces as compilers write them, and what is read from them.

use super::{Frame, frames, function, is_for_backtrace, is_of_user, place, warm};

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn functions_of_the_user_are_told_from_those_between() {
    let check = |name: &str, is: bool| assert_eq!(is_of_user(name), is, "{name}");
    check("shop::orders::charge",                                             true);
    check("shop::orders::charge::{{closure}}",                                true);
    check("nightly::charge",                                                  true);
    check("<shop::Orders as core::fmt::Display>::fmt",                        true);
    check("<alloc::vec::Vec<T> as shop::Charge>::charge",                     true);
    check("<dyn shop::Charge>::charge",                                       true);
    check("<&mut shop::Orders as std::io::Read>::read",                       true);
    check("<shop::Orders>::charge",                                           true);
    check("shop::orders::<impl core::fmt::Display for shop::Orders>::fmt",    true);
    check("reqwest::get",                                                     true);
    check("std::fs::File::open",                                              false);
    check("<std::net::TcpStream as std::io::Read>::read",                     false);
    check("<T as alloc::string::ToString>::to_string",                        false);
    check("<[u8] as core::slice::Join>::join",                                false);
    check("<fn() as core::ops::function::FnOnce<()>>::call_once",             false);
    check("core::ptr::drop_in_place<shop::Orders>",                           false);
    check("tokio::runtime::task::core::Core<T,S>::poll",                      false);
    check("nigh::shards::run",                                                false);
    check("nigh_sim::run",                                                    false);
    check("<async_task::Task<T> as core::future::Future>::poll",              false);
    check("open64",                                                           false);
    check("main",                                                             false);
    check("__libc_start_main",                                                false);
    check("<unknown>",                                                        false);
    check("",                                                                 false);
}

#[test]
fn closures_have_the_name_of_their_function() {
    let check = |path: &str, name: &str| assert_eq!(function(path), name);
    check("shop::charge", "shop::charge");
    check("shop::charge::{{closure}}", "shop::charge");
    check("shop::charge::{closure#0}::{closure#1}", "shop::charge");
    check("<shop::A as shop::B>::charge::{{closure}}", "<shop::A as shop::B>::charge");
    check("charge", "charge");
}

#[test]
fn a_place_is_a_file_and_a_line() {
    let check = |text: &str, known: Option<&str>| assert_eq!(place(text).as_deref(), known);
    check("./src/main.rs:12:5", Some("src/main.rs:12"));
    check("/a/b.rs:1:2", Some("/a/b.rs:1"));
    check("", None);
}

#[test]
fn frames_are_read_with_what_was_inlined() {
    let trace = "   0: std::a::b\n             at /rustc/1/a.rs:1:2\n   1: shop::c\n      shop::d\n             at ./d.rs:3:4\n  12: main\n";
    let frame = |function, place| Frame { function, place };
    let known = [
        frame("std::a::b", "/rustc/1/a.rs:1:2"),
        frame("shop::c", ""),
        frame("shop::d", "./d.rs:3:4"),
        frame("main", ""),
    ];
    assert_eq!(frames(trace), known);
    assert_eq!(frames("at nowhere"), []);
}

#[test]
fn only_files_of_backtraces_pass() {
    warm();
    let check = |path: &str, is: bool| assert_eq!(is_for_backtrace(path.as_ref()), is, "{path}");
    check("/proc/self/maps", true);
    check("/usr/lib/debug/.build-id/aa/bb.debug", true);
    check("/lib/libc.so.6", true);
    check("/lib/libshop.so", true);
    check("target/debug/shop.dwp", true);
    check("/dev/urandom", false);
    check("/proc/self/mapsx", false);
    check("orders.sorted", false);
    check("so", false);
    check("", false);
    let executable = std::env::current_exe().expect("a test has an executable");
    check(executable.to_str().expect("built in a folder with a plain name"), true);
}
