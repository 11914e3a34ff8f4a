mod follow;
mod observe;
mod preflight;
mod register;
mod stopped;
mod update;
