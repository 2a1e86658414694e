//! Which process this is.

use std::env;

/// A process among those of a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranks {
    /// Its number, from 0.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
    /// Where the first one listens, `host:port`.
    pub first: String,
    /// The launcher's name for this start, so that two trainings at one address notice; empty where it gives none.
    pub job: String,
}

/// A variable of the environment that says nothing usable.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name} = {value:?}: {expected}")]
pub struct RanksError {
    /// The variable.
    pub name: &'static str,
    /// Its value; empty where it is not set.
    pub value: String,
    /// What it takes.
    pub expected: String,
}

/// torchrun's and Slurm's names for the number of processes and this one's.
const NAMES: [(&str, &str); 2] = [("WORLD_SIZE", "RANK"), ("SLURM_NTASKS", "SLURM_PROCID")];
/// Their names for a start.
const JOBS: [&str; 2] = ["TORCHELASTIC_RUN_ID", "SLURM_JOB_ID"];
/// A port of one's own, where that which follows from `MASTER_PORT` is taken.
const PORT: &str = "BOLID_PORT";
/// `True` where torchrun itself listens at `MASTER_PORT`, with the store through which its workers find each other.
const AGENT_LISTENS: &str = "TORCHELASTIC_USE_AGENT_STORE";

impl Ranks {
    /// From `WORLD_SIZE`, `RANK`, `MASTER_ADDR` and `MASTER_PORT`, or Slurm's `SLURM_NTASKS` and `SLURM_PROCID` with the
    /// same two; `None` where this process is the only one. The first listens at `BOLID_PORT`, else at `MASTER_PORT`, or the
    /// port after it where torchrun listens at that one itself.
    ///
    /// # Errors
    /// Naming the variable that is missing or is none of what it takes.
    pub fn from_env() -> Result<Option<Self>, RanksError> {
        Self::from(|name| env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, RanksError> {
        // Slurm's are set in every job; only with an address do they say that processes belong together.
        let is_group = |(size, _): &&(&str, &str)| variable(size).is_some();
        let Some((size_name, rank_name)) = NAMES.iter().find(is_group) else { return Ok(None) };
        if *size_name != NAMES[0].0 && variable("MASTER_ADDR").is_none() {
            return Ok(None);
        }
        let number = |name: &'static str, most: usize| read_number(&variable, name, most);
        let size = number(size_name, 1 << 16)?;
        if size <= 1 {
            return Ok(None);
        }
        let rank = number(rank_name, size - 1)?;
        let most = usize::from(u16::MAX);
        let port = match variable(PORT) {
            Some(_) => number(PORT, most)?,
            None if variable(AGENT_LISTENS).as_deref() == Some("True") => {
                number("MASTER_PORT", most - 1)? + 1
            }
            None => number("MASTER_PORT", most)?,
        };
        let host = variable("MASTER_ADDR").unwrap_or_default();
        if host.is_empty() {
            let expected = "the name or address of the first process's machine".to_owned();
            return Err(RanksError { name: "MASTER_ADDR", value: host, expected });
        }
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let job = JOBS.iter().find_map(|name| variable(name)).unwrap_or_default();
        Ok(Some(Self { rank, size, first: format!("{host}:{port}"), job }))
    }
}

fn read_number(
    variable: impl Fn(&str) -> Option<String>,
    name: &'static str,
    most: usize,
) -> Result<usize, RanksError> {
    let value = variable(name).unwrap_or_default();
    value.parse::<usize>().ok().filter(|number| *number <= most).ok_or_else(|| RanksError {
        name,
        value,
        expected: format!("a whole number up to {most}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Ranks>, RanksError> {
        Ranks::from(|name| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn ranks_are_read_as_torchrun_and_slurm_set_them() {
        let torchrun =
            [("WORLD_SIZE", "4"), ("RANK", "3"), ("MASTER_ADDR", "10.0.0.1"), ("MASTER_PORT", "29500")];
        let expected = Ranks { rank: 3, size: 4, first: "10.0.0.1:29500".to_owned(), job: String::new() };
        assert_eq!(of(&torchrun).expect("ranks"), Some(expected));
        let slurm =
            [("SLURM_NTASKS", "2"), ("SLURM_PROCID", "0"), ("MASTER_ADDR", "::1"), ("MASTER_PORT", "7")];
        let slurm = [&slurm[..], &[("SLURM_JOB_ID", "31")]].concat();
        let expected = Ranks { rank: 0, size: 2, first: "[::1]:7".to_owned(), job: "31".to_owned() };
        assert_eq!(of(&slurm).expect("ranks"), Some(expected));
    }

    #[test]
    fn the_port_where_torchrun_listens_itself_is_left_to_it() {
        let first = |more: &[(&str, &str)]| {
            let all =
                [("WORLD_SIZE", "2"), ("RANK", "1"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "29500")];
            of(&[&all[..], more].concat()).map(|ranks| ranks.expect("a group").first)
        };
        let store = (AGENT_LISTENS, "True");
        assert_eq!(first(&[store]).expect("a port"), "localhost:29501");
        assert_eq!(first(&[(AGENT_LISTENS, "False")]).expect("a port"), "localhost:29500");
        assert_eq!(first(&[store, (PORT, "7000")]).expect("a port"), "localhost:7000");
        let said = first(&[(PORT, "x")]).expect_err("refused").to_string();
        assert!(said.contains("BOLID_PORT = \"x\""), "{said}");
    }

    #[test]
    fn one_process_is_no_group() {
        assert_eq!(of(&[]).expect("nothing"), None);
        assert_eq!(of(&[("WORLD_SIZE", "1"), ("RANK", "0")]).expect("nothing"), None);
        // A job of Slurm's with several tasks that nobody told of each other.
        assert_eq!(of(&[("SLURM_NTASKS", "8"), ("SLURM_PROCID", "1")]).expect("nothing"), None);
    }

    #[test]
    fn a_variable_that_is_missing_or_wrong_is_named() {
        let complete =
            [("WORLD_SIZE", "2"), ("RANK", "1"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "29500")];
        for (at, wrong) in [(0, "x"), (1, "2"), (2, ""), (3, "99999")] {
            let mut variables = complete;
            variables[at].1 = wrong;
            let said = of(&variables).expect_err("refused").to_string();
            assert!(said.contains(complete[at].0) && said.contains(&format!("{wrong:?}")), "{said}");
        }
        let said = of(&complete[..3]).expect_err("refused").to_string();
        assert!(said.contains("MASTER_PORT"), "{said}");
    }
}
